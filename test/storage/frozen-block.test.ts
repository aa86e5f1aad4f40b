import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { openPart, PageRows, readDirectory, verifyObject, type DatasetTables, type Page } from '@kiln/block';
import { exactToBigInt, labelValue, type StackRow } from '@kiln/model';
import { expect, test } from 'vitest';
import { nodeCodecs } from '../../services/ingester/src/worker/node-codecs.ts';
import type { FrozenRow } from '../fixtures/block-1.1/model.ts';

const folder = join(import.meta.dirname, '../fixtures/block-1.1');
const bytes = new Uint8Array(readFileSync(join(folder, 'block.bin')));
const expected = JSON.parse(readFileSync(join(folder, 'expected.json'), 'utf8')) as {
  readonly rows: readonly FrozenRow[];
  readonly spans: Readonly<Record<string, string>>;
  /** By step, ms. */
  readonly steps: Readonly<Record<string, Readonly<Record<string, string>>>>;
};

function stackName(
  { symbols: { strings, functions, locations, tree, stacks } }: DatasetTables,
  stack: StackRow,
): string {
  const names: string[] = [];
  for (let node = stacks.node[stack]!; node !== 0; node = tree.parent[node]!) {
    const name = functions.name[locations.lineFunction[locations.lineStart[tree.location[node]!]!]!]!;
    names.unshift(Buffer.from(strings.bytes.subarray(strings.offsets[name], strings.offsets[name + 1])).toString());
  }
  return names.join(';');
}

/** The samples of each row of some pages, by the name of the stack. */
function* samplesOf(tables: DatasetTables, pages: readonly Page[]): Generator<Record<string, string[]>> {
  for (const page of pages) {
    const rows = new PageRows(page, tables.types.length, tables.symbols.stacks.length);
    while (rows.next()) {
      const samples: Record<string, string[]> = {};
      for (let i = 0; i < rows.length; i++)
        samples[stackName(tables, rows.stack[i]!)] = rows.values.map(({ lo, hi }) =>
          String(exactToBigInt(lo[i]!, hi?.[i] ?? 0)),
        );
      yield samples;
    }
  }
}

test('a block of format 1.1 holds what it held: rows, spans and roll-ups', () => {
  const { level, entries } = readDirectory(bytes, nodeCodecs, bytes.length);
  const [{ tenant, off, len }] = entries as [(typeof entries)[0]];
  const [dataset] = openPart(bytes.subarray(off, off + len), tenant, nodeCodecs).datasets;
  const tables = dataset!.tables();
  const { rows, series, spans, pages, rollups } = tables;
  const idOf = (row: number): string => Buffer.from(rows.id.subarray(row * 8, row * 8 + 8)).toString('hex');
  const found = [...samplesOf(tables, pages)].map((samples, row) => ({
    pod: labelValue(series[rows.series[row]!]!, 'pod'),
    timeMs: rows.timeMs[row],
    id: idOf(row),
    samples,
  }));
  expect([level, tenant]).toEqual([2, 'frozen']);
  expect(found.toSorted((a, b) => (a.id < b.id ? -1 : 1))).toEqual(expected.rows);
  const span = `${spans!.spanId[0]} ${stackName(tables, spans!.stack[0]!)} ${spans!.values.map(({ lo }) => lo[0]).join()}`;
  expect({ [idOf(spans!.row[0]!)]: span }).toEqual(expected.spans);
  const steps = rollups.map(({ stepMs, startMs, pages: own }) => [
    String(stepMs),
    Object.fromEntries(
      [...samplesOf(tables, own)].flatMap((samples, bucket) =>
        Object.entries(samples).map(([stack, values]) => [`${startMs[bucket]} ${stack}`, values.join()]),
      ),
    ),
  ]);
  expect(Object.fromEntries(steps)).toEqual(expected.steps);
});

test('a flipped bit anywhere in it is found by verification, but in zeros between regions', () => {
  expect(verifyObject(bytes, nodeCodecs)).toEqual([]);
  let missed = 0;
  for (let at = 0; at < bytes.length; at += 3) {
    const damaged = bytes.slice();
    damaged[at]! ^= 1 << (at % 8);
    if (verifyObject(damaged, nodeCodecs).length > 0) continue;
    expect(bytes[at], `byte ${at} may change unnoticed`).toBe(0);
    missed++;
  }
  expect(missed).toBeLessThan(100);
});
