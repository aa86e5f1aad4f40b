import { ByteReader, ByteWriter } from '@kiln/bytes';
import { SPILL, type ExactColumn } from '@kiln/model';
import { readExact, writeExact } from '../columns.ts';
import { commonScale } from '../page/exact-multiples.ts';
import type { RowColumns } from '../tables.ts';
import { GROUP_ROWS, readSeriesRuns, readTimes, writeSeriesRuns, writeTimes } from './row-index.ts';

/*
 * TOTALS    := nRows | row groups of 4096 rows, the last one shorter
 * row group := series runs and times as in PINDEX | per value type: bytes of what follows | scale | exact column of totals / scale
 *
 * What PINDEX says but the ids, which are most of it and are no part of any sum. Totals of a type that is not asked for are passed over.
 */

/** Below this many rows the ids are less than a second section costs. */
const WORTHWHILE_ROWS = 256;

export function hasRowTotals(rows: RowColumns): boolean {
  return rows.length >= WORTHWHILE_ROWS;
}

export function encodeRowTotals(rows: RowColumns): Uint8Array {
  const w = new ByteWriter(64 + rows.length * (4 + 3 * rows.totals.length));
  w.varint(rows.length);
  for (let from = 0; from < rows.length; from += GROUP_ROWS) {
    const to = Math.min(rows.length, from + GROUP_ROWS);
    writeSeriesRuns(w, rows.series, from, to);
    writeTimes(w, rows.timeMs, from, to);
    for (const totals of rows.totals) {
      const column = encodeColumn(totals, from, to);
      w.varint(column.length);
      w.bytes(column);
    }
  }
  return w.view();
}

/** Rows without ids: `id` is what `ids` gives when it is asked for. @param seriesCount, types sizes of what the rows refer to. */
export function decodeRowTotals(
  payload: Uint8Array,
  seriesCount: number,
  types: number,
  ids: () => Uint8Array,
): RowColumns {
  const r = new ByteReader(payload, FORMAT);
  const length = r.count();
  const series = new Uint32Array(length);
  const timeMs = new Float64Array(length);
  const groups = Math.ceil(length / GROUP_ROWS);
  const places = Array.from({ length: types }, () => new Uint32Array(2 * groups));
  for (let group = 0; group < groups; group++) {
    const from = group * GROUP_ROWS;
    const to = Math.min(length, from + GROUP_ROWS);
    readSeriesRuns(r, series, from, to, seriesCount);
    readTimes(r, timeMs, from, to);
    for (let t = 0; t < types; t++) {
      const bytes = r.count();
      places[t]!.set([r.position, r.position + bytes], 2 * group);
      r.take(bytes);
    }
  }
  if (r.left > 0) r.fail(`${r.left} bytes behind the last row`);
  const totals = places.map((own) => new StoredTotals(payload, own, length));
  return {
    length,
    series,
    timeMs,
    get id() {
      return ids();
    },
    offset: undefined,
    totals,
  };
}

/** The totals of one value type, decoded when they are first asked for. */
class StoredTotals implements ExactColumn {
  readonly #payload: Uint8Array;
  /** By row group: where its column begins and ends. */
  readonly #places: Uint32Array;
  readonly #length: number;
  #column: ExactColumn | undefined;

  constructor(payload: Uint8Array, places: Uint32Array, length: number) {
    this.#payload = payload;
    this.#places = places;
    this.#length = length;
  }

  get lo(): Float64Array {
    return this.#decode().lo;
  }

  get hi(): Float64Array | undefined {
    return this.#decode().hi;
  }

  #decode(): ExactColumn {
    return (this.#column ??= decodeColumn(this.#payload, this.#places, this.#length));
  }
}

/** Totals are often multiples of one number, as those of CPU time are of a sampling period: what is left is short. */
function encodeColumn({ lo, hi }: ExactColumn, from: number, to: number): Uint8Array {
  const w = new ByteWriter(64 + (to - from) * 3);
  const low = lo.subarray(from, to);
  const high = hi?.subarray(from, to);
  const scale = high?.some((part) => part > 0) === true ? 1 : Math.max(1, commonScale(low, low.length));
  w.varint(scale);
  const column = scale === 1 ? { lo: low, hi: high } : { lo: low.map((total) => total / scale), hi: undefined };
  writeExact(w, column, 0, low.length);
  return w.view();
}

/** Hot: once per row. */
function decodeColumn(payload: Uint8Array, places: Uint32Array, length: number): ExactColumn {
  const lo = new Float64Array(length);
  let hi: Float64Array | undefined;
  for (let from = 0, at = 0; from < length; from += GROUP_ROWS, at += 2) {
    const r = new ByteReader(payload, FORMAT, places[at], places[at + 1]);
    const to = Math.min(length, from + GROUP_ROWS);
    const scale = r.varint();
    const high = readExact(r, lo, from, to);
    if (r.left > 0) r.fail(`${r.left} bytes behind the last total`);
    if (high !== undefined) (hi ??= new Float64Array(length)).set(high, from);
    if (scale === 1) continue;
    if (scale === 0 || high !== undefined) r.fail(`totals of scale ${scale}`);
    let largest = 0;
    for (let row = from; row < to; row++) {
      const total = lo[row]! * scale;
      lo[row] = total;
      if (total > largest) largest = total;
    }
    if (largest >= SPILL) r.fail(`a total of 2^52 or more, of scale ${scale}`);
  }
  return { lo, hi };
}

const FORMAT = 'section TOTALS';
