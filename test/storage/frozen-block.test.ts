import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { openPart, PageRows, readDirectory, verifyObject, type DatasetTables, type Page } from '@kiln/block';
import { exactToBigInt, labelValue, type StackRow } from '@kiln/model';
import { expect, test } from 'vitest';
import { nodeCodecs } from '../../services/ingester/src/worker/node-codecs.ts';
import { sumsOf, type FrozenRow } from '../fixtures/block-1.1/model.ts';
import { FROZEN_SPAN, frozenRows, HOUR } from '../fixtures/block-1.2/model.ts';

const fixtures = join(import.meta.dirname, '../fixtures');
const read = (version: string): Uint8Array =>
  new Uint8Array(readFileSync(join(fixtures, `block-${version}`, 'block.bin')));

/** What a frozen block holds. */
interface Expected {
  readonly rows: readonly FrozenRow[];
  readonly spans: Readonly<Record<string, string>>;
  /** By step, ms. */
  readonly steps: Readonly<Record<string, Readonly<Record<string, string>>>>;
}

/** The blocks of 1.2 and 1.3 hold the same: rows lie in another order. */
const expected12: Expected = {
  rows: frozenRows,
  spans: { [frozenRows[3]!.id]: FROZEN_SPAN },
  steps: Object.fromEntries([0, HOUR, HOUR / 60].map((stepMs) => [stepMs, sumsOf(frozenRows, stepMs)])),
};

const versions: readonly (readonly [string, Expected])[] = [
  ['1.1', JSON.parse(readFileSync(join(fixtures, 'block-1.1/expected.json'), 'utf8')) as Expected],
  ['1.2', expected12],
  ['1.3', expected12],
];

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

test.each(versions)('a block of format %s holds what it held: rows, spans and roll-ups', (version, expected) => {
  const bytes = read(version);
  const { level, entries } = readDirectory(bytes, nodeCodecs, bytes.length);
  const [{ tenant, off, len }] = entries as [(typeof entries)[0]];
  const [dataset] = openPart(bytes.subarray(off, off + len), tenant, nodeCodecs).datasets;
  const tables = dataset!.tables();
  const { rows, series, spans, pages } = tables;
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
  const steps = [...tables.rollups, ...tables.fineRollups].map(({ stepMs, startMs, pages: own }) => [
    String(stepMs),
    Object.fromEntries(
      [...samplesOf(tables, own)].flatMap((samples, bucket) =>
        Object.entries(samples).map(([stack, values]) => [`${startMs[bucket]} ${stack}`, values.join()]),
      ),
    ),
  ]);
  expect(Object.fromEntries(steps)).toEqual(expected.steps);
});

test.each(versions)(
  'a flipped bit anywhere in one of %s is found by verification, but in zeros between regions',
  (version) => {
    const bytes = read(version);
    expect(verifyObject(bytes, nodeCodecs)).toEqual([]);
    let missed = 0;
    for (let at = 0; at < bytes.length; at += 3 * Math.ceil(bytes.length / 4096)) {
      const damaged = bytes.slice();
      damaged[at]! ^= 1 << (at % 8);
      if (verifyObject(damaged, nodeCodecs).length > 0) continue;
      expect(bytes[at], `byte ${at} may change unnoticed`).toBe(0);
      missed++;
    }
    expect(missed).toBeLessThan(100);
  },
);
