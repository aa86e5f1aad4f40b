import { CorruptDataError } from '@kiln/bytes';
import fc from 'fast-check';
import { describe, expect, test, vi } from 'vitest';
import { tablesOf } from '../dataset.test-support.ts';
import type { DatasetTables } from '../tables.ts';
import { plainProfile, samplesText } from '../testing.test-support.ts';
import { PageRows } from './page-rows.ts';
import { RowReader } from './row-reader.ts';

vi.setConfig({ testTimeout: 60_000 });

const readerOf = (tables: DatasetTables, scratch?: PageRows): RowReader =>
  new RowReader(tables, tables.rows.length, tables.symbols.stacks.length, scratch);

/** Page by page, in order. */
const rowsOf = ({ pages, types, symbols }: DatasetTables): string[][] =>
  pages.flatMap((page) => {
    const rows: string[][] = [];
    for (const samples = new PageRows(page, types.length, symbols.stacks.length); samples.next();)
      rows.push(samplesText(symbols, samples));
    return rows;
  });

describe('rows in any order', () => {
  test('are those of the pages, after a pass that decodes and after one that skips, of two datasets in turns', () => {
    fc.assert(
      fc.property(
        fc.array(plainProfile(['samples', 'cpu']), { minLength: 2, maxLength: 8 }),
        fc.integer({ min: 1, max: 4 }),
        fc.array(fc.tuple(fc.boolean(), fc.nat()), { maxLength: 30 }),
        (profiles, pageRows, picks) => {
          const datasets = tablesOf(profiles, pageRows);
          if (datasets.length < 2) return;
          const [one, other] = datasets as [DatasetTables, DatasetTables];
          const first = readerOf(one);
          const passed: string[][] = [];
          while (first.next()) passed.push(samplesText(one.symbols, first.samples));
          expect(passed).toEqual(rowsOf(one));
          const second = readerOf(other, first.samples);
          second.skipAll();
          for (const [which, row] of picks) {
            const [reader, tables] = which ? [first, one] : [second, other];
            const at = row % tables.rows.length;
            expect(samplesText(tables.symbols, reader.read(at))).toEqual(rowsOf(tables)[at]);
          }
        },
      ),
    );
  });

  test('of pages with any byte changed: what a pass that decodes takes, one that skips takes too, and the rows are the same', () => {
    const value = (stack: string, values: bigint[]) => ({
      stack: [{ binary: stack, address: 0n, lines: [] }],
      values,
    });
    const group = (samples: ReturnType<typeof value>[]) => ({ labels: {}, samples, spans: [] });
    const [tables] = tablesOf(
      [
        [value('a', [1n, 10n]), value('b', [3n, 30n])],
        [value('a', [2n, 5n]), value('b', [0n, 7n])],
        [value('b', [1n, 2n ** 60n])],
      ].map((samples) => ({
        service: 's',
        name: 'n',
        types: ['samples', 'cpu'],
        timeMs: 1,
        groups: [group(samples)],
      })),
      3,
    );
    const page = tables!.pages[0]!;
    let accepted = 0;
    for (let at = 0; at < page.bytes.length; at++)
      for (let byte = 0; byte < 256; byte++) {
        const bytes = page.bytes.slice();
        bytes[at] = byte;
        const changed = { ...tables!, pages: [{ ...page, bytes }] };
        let rows: string[][];
        try {
          rows = rowsOf(changed);
        } catch (error) {
          expect(error).toBeInstanceOf(CorruptDataError);
          continue;
        }
        const reader = readerOf(changed);
        reader.skipAll();
        expect(rows.map((_, row) => samplesText(tables!.symbols, reader.read(row)))).toEqual(rows);
        accepted++;
      }
    expect(accepted).toBeGreaterThan(page.bytes.length);
  });
});
