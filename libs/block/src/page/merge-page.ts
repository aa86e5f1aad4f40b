import { CorruptDataError } from '@kiln/bytes';
import { SPILL, type ExactSums } from '@kiln/model';
import type { Page } from '../tables.ts';
import { MODE_COLUMNS, MODE_SPLIT, MODE_WIDE, readPageHeader, unknownMode, type PageHeader } from './page-layout.ts';
import { behind, exactHi, getExact, getVarint, skipVarints } from './varints.ts';

/**
 * Adds one value type of the wanted rows of a page to sums by stack row, exactly. Hot: the inner loops run once per sample.
 * @param type which value type, from 0.
 * @param wanted one byte per row of the dataset, 0 = leave out; undefined = all rows.
 * @param sums by stack row; a stack row beyond its length is corrupt, checked once per row.
 * @throws CorruptDataError; the sums are then of no use.
 */
export function mergePage(page: Page, type: number, wanted: Uint8Array | undefined, sums: ExactSums): void {
  const bytes = page.bytes;
  const header = readPageHeader(bytes);
  if (header.rows !== page.rows) fail(0, `${header.rows} rows where ${page.rows} are expected`);
  if (type >= header.types) fail(0, `value type ${type} of ${header.types}`);
  view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  positionA = header.a;
  positionB = header.b;
  positionC = header.c;
  let h = header.h;
  for (let row = 0; row < header.rows; row++) {
    const want = wanted === undefined || wanted[page.firstRow + row] !== 0;
    const mode = bytes[h++]!;
    if (mode === MODE_SPLIT) h = mergeSplit(bytes, header, h, type, want, sums);
    else if (mode === MODE_COLUMNS) h = mergeColumns(bytes, header, h, type, want, sums);
    else if (mode === MODE_WIDE) h = mergeWide(bytes, header, h, type, want, sums);
    else fail(h, unknownMode(mode));
  }
  if (h !== header.a || positionA !== header.b || positionB !== header.c || positionC !== bytes.length)
    fail(h, 'bytes left in a stream behind the last row');
}

/** Where the next row's ids and values begin. One thread, no re-entry. */
let positionA = 0;
let positionB = 0;
let positionC = 0;
/** The page's bytes, for what reads four at once. */
let view: DataView = new DataView(new ArrayBuffer(0));

function mergeSplit(
  bytes: Uint8Array,
  header: PageHeader,
  from: number,
  type: number,
  want: boolean,
  sums: ExactSums,
): number {
  let factor = getVarint(bytes, from, header.a);
  for (let t = 1; t < header.types; t++) {
    const ratio = getVarint(bytes, behind, header.a);
    if (t === type) factor *= ratio;
  }
  if (factor >= SPILL) fail(from, 'value of 2^52 or more in a row that is not wide');
  const units = getVarint(bytes, behind, header.a);
  const others = getVarint(bytes, behind, header.a);
  const h = behind;
  if (units > header.b - positionA || others > header.c - positionB)
    fail(from, `${units} + ${others} samples in too few bytes`);
  if (want && factor > 0) {
    addUnits(bytes, header.b, units, factor, sums.lo, sums.hi);
    addCounts(bytes, header.c, others, factor, 2 * factor, sums.lo, sums.hi);
  } else {
    positionA = skipVarints(view, positionA, header.b, units);
    positionB = skipVarints(view, positionB, header.c, others);
    positionC = skipVarints(view, positionC, bytes.length, others);
  }
  return h;
}

function mergeColumns(
  bytes: Uint8Array,
  header: PageHeader,
  from: number,
  type: number,
  want: boolean,
  sums: ExactSums,
): number {
  const end = bytes.length;
  const length = getVarint(bytes, from, header.a);
  if (length > header.c - positionB) fail(from, `${length} samples in too few bytes`);
  let h = behind;
  let factor = 0;
  let column = positionC; // where the values begin that `factor` applies to
  let next = positionC;
  for (let t = 0; t < header.types; t++) {
    const form = getVarint(bytes, h, header.a);
    h = behind;
    if (form % 2 === 1) {
      if (t === 0) fail(h, 'value type 0 as a multiple of itself');
      if (t === type) factor *= (form - 1) / 2;
    } else {
      if (t === 0 || t === type) {
        factor = form / 2;
        column = next;
      }
      if (form > 0) next = skipVarints(view, next, end, length);
    }
  }
  if (factor >= SPILL) fail(from, 'value of 2^52 or more in a row that is not wide');
  if (want && factor > 0) {
    positionC = column;
    addCounts(bytes, header.c, length, factor, 0, sums.lo, sums.hi);
  } else {
    positionB = skipVarints(view, positionB, header.c, length);
  }
  positionC = next;
  return h;
}

function mergeWide(
  bytes: Uint8Array,
  header: PageHeader,
  from: number,
  type: number,
  want: boolean,
  sums: ExactSums,
): number {
  const end = bytes.length;
  const length = getVarint(bytes, from, header.a);
  const h = behind;
  if (length > header.c - positionB) fail(from, `${length} samples in too few bytes`);
  positionC = skipVarints(view, positionC, end, length * type);
  if (want) {
    let id = -1;
    for (let i = 0; i < length; i++) {
      id += getVarint(bytes, positionB, header.c) + 1;
      positionB = behind;
      const lo = getExact(bytes, positionC, end);
      positionC = behind;
      if (id >= sums.lo.length) fail(positionB, `stack ${id} of ${sums.lo.length}`);
      sums.add(id, lo, exactHi);
    }
  } else {
    positionB = skipVarints(view, positionB, header.c, length);
    positionC = skipVarints(view, positionC, end, length);
  }
  positionC = skipVarints(view, positionC, end, length * (header.types - 1 - type));
  return h;
}

/** Hot: stream A of mode 0. A stack row or position out of bounds reads undefined and writes nothing; it is found behind the loop. */
function addUnits(
  bytes: Uint8Array,
  end: number,
  count: number,
  factor: number,
  lo: Float64Array,
  hi: Float64Array,
): void {
  let at = positionA;
  let id = -1;
  for (let i = 0; i < count; i++) {
    let delta = bytes[at++]!;
    if (delta > 127) {
      const next = bytes[at++]!;
      if (next < 128) {
        delta += (next - 1) * 128; // the low byte has its bit 7 set: 128 too much
      } else {
        delta = getVarint(bytes, at - 2, end);
        at = behind;
      }
    }
    id += delta + 1;
    const sum = lo[id]! + factor;
    if (sum >= SPILL) {
      lo[id] = sum - SPILL;
      hi[id] = hi[id]! + 1;
    } else {
      lo[id] = sum;
    }
  }
  if (at > end) fail(at, 'ids beyond the end of their stream');
  if (id >= lo.length) fail(at, `stack ${id} of ${lo.length}`);
  positionA = at;
}

/** Hot: streams B and C; adds base + factor * number. */
function addCounts(
  bytes: Uint8Array,
  endB: number,
  count: number,
  factor: number,
  base: number,
  lo: Float64Array,
  hi: Float64Array,
): void {
  const endC = bytes.length;
  let atB = positionB;
  let atC = positionC;
  let id = -1;
  for (let i = 0; i < count; i++) {
    let delta = bytes[atB++]!;
    if (delta > 127) {
      const next = bytes[atB++]!;
      if (next < 128) {
        delta += (next - 1) * 128; // the low byte has its bit 7 set: 128 too much
      } else {
        delta = getVarint(bytes, atB - 2, endB);
        atB = behind;
      }
    }
    let number = bytes[atC++]!;
    if (number > 127) {
      const next = bytes[atC++]!;
      if (next < 128) {
        number += (next - 1) * 128;
      } else {
        number = getVarint(bytes, atC - 2, endC);
        atC = behind;
      }
    }
    id += delta + 1;
    const value = base + factor * number;
    const sum = lo[id]! + value;
    if (sum >= SPILL) {
      if (value >= SPILL) fail(atC, 'value of 2^52 or more in a row that is not wide');
      lo[id] = sum - SPILL;
      hi[id] = hi[id]! + 1;
    } else {
      lo[id] = sum;
    }
  }
  if (atB > endB) fail(atB, 'ids beyond the end of their stream');
  if (atC > endC) fail(atC, 'values beyond the end of their stream');
  if (id >= lo.length) fail(atB, `stack ${id} of ${lo.length}`);
  positionB = atB;
  positionC = atC;
}

function fail(at: number, found: string): never {
  throw new CorruptDataError('page', at, found);
}
