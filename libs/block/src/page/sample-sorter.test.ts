import { exactToBigInt, SPILL, type ExactColumn } from '@kiln/model';
import { seededRandom } from '@kiln/async';
import { expect, test } from 'vitest';
import { SampleSorter } from './sample-sorter.ts';

function column(lo: number[], hi?: number[]): ExactColumn {
  return { lo: Float64Array.from(lo), hi: hi && Float64Array.from(hi) };
}

/** What the sorter must give, by a map of bigints. */
function model(numbers: number[], values: ExactColumn[]): [number, ...bigint[]][] {
  const sums = new Map<number, bigint[]>();
  numbers.forEach((number, i) => {
    const sum = sums.get(number) ?? values.map(() => 0n);
    values.forEach(({ lo, hi }, t) => (sum[t] = sum[t]! + exactToBigInt(lo[i]!, hi?.[i] ?? 0)));
    sums.set(number, sum);
  });
  return [...sums].toSorted(([a], [b]) => a - b).map(([number, sum]) => [number, ...sum]);
}

function sorted(sorter: SampleSorter, numbers: number[], values: ExactColumn[]): [number, ...bigint[]][] {
  sorter.sort(Uint32Array.from(numbers), values, numbers.length);
  return Array.from({ length: sorter.length }, (_, i) => [
    sorter.stack[i]!,
    ...sorter.values.map(({ lo, hi }) => exactToBigInt(lo[i]!, hi?.[i] ?? 0)),
  ]);
}

test('samples come out by stack, those of one stack added, sums exact beyond 2^52', () => {
  const random = seededRandom(7);
  const sorter = new SampleSorter();
  for (let round = 0; round < 300; round++) {
    const length = Math.floor(random() * 200);
    const spread = [2, 100, 4294967296][round % 3]!;
    const numbers = Array.from({ length }, () => Math.floor(random() * spread));
    const types = 1 + (round % 4);
    const values = Array.from({ length: types }, (_, t) =>
      column(
        numbers.map(() => Math.floor(random() * (t === 1 ? SPILL : 1000))),
        t === 2 ? numbers.map(() => Math.floor(random() * 3)) : undefined,
      ),
    );
    expect(sorted(sorter, numbers, values)).toEqual(model(numbers, values));
  }
});

test('rows in order already are taken as they are', () => {
  const sorter = new SampleSorter();
  expect(sorted(sorter, [1, 5, 9], [column([3, 2, 1])])).toEqual([
    [1, 3n],
    [5, 2n],
    [9, 1n],
  ]);
  expect(sorted(sorter, [], [column([])])).toEqual([]);
});
