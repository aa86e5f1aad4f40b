import { ByteReader, ByteWriter } from '@kiln/bytes';
import type { ExactColumn } from '@kiln/model';
import { readDeltas, readExact, readInt, writeDeltas, writeExact, writeInt } from '../columns.ts';
import type { RowColumns } from '../tables.ts';

/*
 * PINDEX    := flags (bit 0: log offsets) | nRows | row groups of 4096 rows, the last one shorter
 * row group := nRuns | nRuns * (series - series of the run before - 1), zigzag, the first against -1 | nRuns * (rows in the run - 1)
 *            | n * time ms, zigzag difference of differences | n * 8 bytes of profile id | flags bit 0: n * log offset, zigzag difference
 *            | per value type an exact column of totals
 */
export const GROUP_ROWS = 4096;
const ID_BYTES = 8;
const HAS_OFFSETS = 1;

export function encodeRows(rows: RowColumns): Uint8Array {
  const w = new ByteWriter(64 + rows.length * (12 + 4 * rows.totals.length));
  w.varint(rows.offset === undefined ? 0 : HAS_OFFSETS);
  w.varint(rows.length);
  for (let from = 0; from < rows.length; from += GROUP_ROWS) {
    const to = Math.min(rows.length, from + GROUP_ROWS);
    writeSeriesRuns(w, rows.series, from, to);
    writeTimes(w, rows.timeMs, from, to);
    w.bytes(rows.id.subarray(from * ID_BYTES, to * ID_BYTES));
    if (rows.offset !== undefined) writeDeltas(w, rows.offset, from, to);
    for (const totals of rows.totals) writeExact(w, totals, from, to);
  }
  return w.view();
}

/** @param seriesCount, types sizes of what the rows refer to. */
export function decodeRows(payload: Uint8Array, seriesCount: number, types: number): RowColumns {
  const r = new ByteReader(payload, 'section PINDEX');
  const flags = r.varint();
  if (flags > HAS_OFFSETS) r.fail(`flags ${flags}, known is bit 0`);
  const length = r.count(ID_BYTES);
  const series = new Uint32Array(length);
  const timeMs = new Float64Array(length);
  const id = new Uint8Array(length * ID_BYTES);
  const offset = flags === HAS_OFFSETS ? new Float64Array(length) : undefined;
  const lo = Array.from({ length: types }, () => new Float64Array(length));
  const hi: (Float64Array | undefined)[] = lo.map(() => undefined);
  for (let from = 0; from < length; from += GROUP_ROWS) {
    const to = Math.min(length, from + GROUP_ROWS);
    readSeriesRuns(r, series, from, to, seriesCount);
    readTimes(r, timeMs, from, to);
    id.set(r.take((to - from) * ID_BYTES), from * ID_BYTES);
    if (offset !== undefined) readDeltas(r, offset, from, to);
    for (let t = 0; t < types; t++) {
      const high = readExact(r, lo[t]!, from, to);
      if (high !== undefined) (hi[t] ??= new Float64Array(length)).set(high, from);
    }
  }
  if (r.left > 0) r.fail(`${r.left} bytes behind the last row`);
  const totals: ExactColumn[] = lo.map((column, t) => ({ lo: column, hi: hi[t] }));
  return { length, series, timeMs, id, offset, totals };
}

export function writeSeriesRuns(w: ByteWriter, series: Uint32Array, from: number, to: number): void {
  const starts: number[] = [];
  for (let i = from; i < to; i++) if (i === from || series[i] !== series[i - 1]) starts.push(i);
  w.varint(starts.length);
  let last = -1;
  for (const start of starts) {
    w.zigzag(series[start]! - last - 1);
    last = series[start]!;
  }
  for (let i = 0; i < starts.length; i++) w.varint((starts[i + 1] ?? to) - starts[i]! - 1);
}

export function readSeriesRuns(
  r: ByteReader,
  series: Uint32Array,
  from: number,
  to: number,
  seriesCount: number,
): void {
  const runs = r.count(2);
  const numbers = new Uint32Array(runs);
  let last = -1;
  for (let i = 0; i < runs; i++) {
    last += r.zigzag() + 1;
    if (last < 0 || last >= seriesCount) r.fail(`series ${last} of ${seriesCount}`);
    numbers[i] = last;
  }
  let at = from;
  for (let i = 0; i < runs; i++) {
    const end = at + r.varint() + 1;
    if (end > to) r.fail(`runs of ${end - from} rows in a group of ${to - from}`);
    series.fill(numbers[i]!, at, end);
    at = end;
  }
  if (at !== to) r.fail(`runs of ${at - from} rows in a group of ${to - from}`);
}

export function writeTimes(w: ByteWriter, timeMs: Float64Array, from: number, to: number): void {
  let last = 0;
  let lastDelta = 0;
  for (let i = from; i < to; i++) {
    const delta = timeMs[i]! - last;
    writeInt(w, delta - lastDelta);
    last = timeMs[i]!;
    lastDelta = i === from ? 0 : delta; // the first value is no step
  }
}

/** Hot: once per row. Profiles that come at a steady pace have differences of one byte. */
export function readTimes(r: ByteReader, timeMs: Float64Array, from: number, to: number): void {
  const { bytes, end } = r;
  let at = r.position;
  let last = 0;
  let delta = 0;
  let lowest = 0;
  let highest = 0;
  for (let i = from; i < to; i++) {
    const byte = at < end ? bytes[at]! : 128;
    if (byte < 128) {
      at++;
      delta += (byte >>> 1) ^ -(byte & 1);
    } else {
      r.position = at;
      delta += readInt(r);
      at = r.position;
    }
    last += delta;
    if (last > highest) highest = last;
    if (last < lowest) lowest = last;
    timeMs[i] = last;
    if (i === from) delta = 0;
  }
  r.position = at;
  if (highest > 2 ** 53 || lowest < -(2 ** 53)) r.fail(`time ${Math.max(highest, -lowest)} is beyond 2^53`);
}
