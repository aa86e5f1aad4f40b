import { expect, it } from 'vitest';
import { NO_GROUP, PointTable, type PointRows } from './point-table.ts';

/** What the rows sum up to by (group, bucket), each looked at by itself. */
function obvious({ length, series, timeMs, lo, groupOf, span }: PointRows): Map<string, number> {
  const [startMs, endMs, firstMs, stepMs] = span as unknown as [number, number, number, number];
  const sums = new Map<string, number>();
  for (let row = 0; row < length; row++) {
    const [time, group] = [timeMs[row]!, groupOf[series[row]!]!];
    if (time < startMs || time > endMs || group === NO_GROUP || lo[row] === 0) continue;
    const bucket = Math.max(0, Math.ceil((time - firstMs) / stepMs));
    const key = `${group} ${bucket}`;
    sums.set(key, (sums.get(key) ?? 0) + lo[row]!);
  }
  return sums;
}

function added(rows: PointRows): Map<string, number> {
  const table = new PointTable(false);
  const [, , firstMs, stepMs] = rows.span as unknown as [number, number, number, number];
  for (let row = table.addRows(rows, 0); row < rows.length; row = table.addRows(rows, row + 1)) {
    const bucket = Math.max(0, Math.ceil((rows.timeMs[row]! - firstMs) / stepMs));
    table.add(rows.groupOf[rows.series[row]!]!, bucket, rows.lo[row]!, 0);
  }
  const sums = new Map<string, number>();
  for (let chunk = 0; chunk < table.chunks; chunk++)
    for (let i = 0; i < 8; i++)
      if ((table.mask[chunk]! & (1 << i)) !== 0)
        sums.set(`${table.chunkGroup[chunk]} ${table.chunkNumber[chunk]! * 8 + i}`, table.lo[chunk * 8 + i]!);
  return sums;
}

it.each([
  ['whole steps', 1_800_000_000_000, 15_000],
  ['steps of a millisecond', 1_800_000_000_000, 1],
  ['steps that are no whole number', 1_800_000_000_000, 7.3],
  ['a start that is no whole number', 1_800_000_000_000.5, 7],
  ['times where doubles are not exact any more', 2 ** 53 - 4_000, 3],
  ['times far below zero', -(2 ** 53) + 2, 2 ** 40 + 1],
])('a row is in the bucket that its own time says, also at and beside edges: %s', (_, firstMs, stepMs) => {
  const timeMs: number[] = [];
  // Forwards and back over edges, and both sides of each.
  for (const bucket of [0, 0, 1, 1, 2, 5, 4, 3, 3, 70, 9, 1])
    for (const beside of [-1, 0, 1, -0.5, 0]) timeMs.push(firstMs + bucket * stepMs + beside);
  const { length } = timeMs;
  const rows: PointRows = {
    length,
    series: Uint32Array.from({ length }, (__, row) => Math.floor(row / 7) % 3),
    timeMs: Float64Array.from(timeMs),
    lo: Float64Array.from({ length }, (__, row) => (row % 11 === 0 ? 0 : row)),
    groupOf: Int32Array.of(0, NO_GROUP, 1),
    span: Float64Array.of(firstMs - 1, Infinity, firstMs, stepMs),
  };
  expect(added(rows)).toEqual(obvious(rows));
});
