import { CorruptDataError } from '@kiln/bytes';
import { SPILL, type ExactSums } from '@kiln/model';
import { plainBytes } from '../codec.ts';
import type { Page } from '../tables.ts';
import { MODE_COLUMNS, MODE_SPLIT, MODE_WIDE, readPageHeader, unknownMode, type PageHeader } from './page-layout.ts';
import { behind, exactHi, getExact, getVarint, skipVarints } from './varints.ts';

/**
 * Adds one value type of the wanted rows of a page to sums by stack row, exactly. Hot: the inner loops run once per sample.
 * @param type which value type, from 0.
 * @param wanted one byte per row of the dataset, 0 = leave out; undefined = all rows.
 * @param sums by stack row; a stack row beyond its length is corrupt.
 * @throws CorruptDataError; the sums are then of no use.
 */
export function mergePage(page: Page, type: number, wanted: Uint8Array | undefined, sums: ExactSums): void {
  const bytes = plainBytes(page.bytes);
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
/** What the numbers of the row at hand stand for: value = base + factor * number. */
const scale = new Float64Array(2);
const FACTOR = 0;
const BASE = 1;
/** A constant of this module is part of the compiled code; an imported one is looked up and checked at each use. */
const LIMIT: number = SPILL;

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
  if (factor >= LIMIT) fail(from, 'value of 2^52 or more in a row that is not wide');
  const units = getVarint(bytes, behind, header.a);
  const others = getVarint(bytes, behind, header.a);
  const h = behind;
  if (units > header.b - positionA || others > header.c - positionB)
    fail(from, `${units} + ${others} samples in too few bytes`);
  if (want && factor > 0) {
    scale[FACTOR] = factor;
    scale[BASE] = 2 * factor;
    addUnits(bytes, header.b, units, sums.lo, sums.hi);
    addCounts(bytes, header.c, others, sums.lo, sums.hi);
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
  if (factor >= LIMIT) fail(from, 'value of 2^52 or more in a row that is not wide');
  if (want && factor > 0) {
    positionC = column;
    scale[FACTOR] = factor;
    scale[BASE] = 0;
    addCounts(bytes, header.c, length, sums.lo, sums.hi);
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

/*
 * The two hot loops, once per sample. What V8 would check or convert again at every sample is settled before the loop:
 *  - `| 0` keeps counts, positions and stack rows to 32 bits, where an addition may otherwise overflow;
 *  - a double that comes out of a typed array is no number that may be a small integer or an object;
 *  - asking an array for its length before the loop says what kind of array it is.
 * A position out of bounds reads undefined, which counts as 0; it is found behind the loop. A stack row out of bounds reads undefined too, writes nothing
 * and makes a sum that is no number, which is found at once, before the row could come back into bounds.
 */

/** Stream A of mode 0: adds the row's factor to each of its stacks. */
function addUnits(bytes: Uint8Array, end: number, samples: number, lo: Float64Array, hi: Float64Array): void {
  const count = samples | 0;
  const factor = scale[FACTOR]!;
  const size = bytes.length;
  const stacks = lo.length;
  let at = positionA | 0;
  let id = -1;
  for (let i = 0; i < count; i++) {
    let delta = bytes[at]!;
    at = (at + 1) | 0;
    if (delta > 127) {
      const next = bytes[at]!;
      if (next < 128) {
        delta += (next - 1) * 128; // the low byte has its bit 7 set: 128 too much
        at = (at + 1) | 0;
      } else {
        delta = longDelta(bytes, at - 1, end, stacks);
        at = behind | 0;
      }
    }
    id = (id + delta + 1) | 0;
    const sum = lo[id]! + factor;
    if (sum < LIMIT) lo[id] = sum;
    else carry(lo, hi, id, sum, at);
  }
  if (at > end || at > size) fail(at, 'ids beyond the end of their stream');
  positionA = at;
}

/** Streams B and C: adds base + factor * number of the row. */
function addCounts(bytes: Uint8Array, endB: number, samples: number, lo: Float64Array, hi: Float64Array): void {
  const count = samples | 0;
  const factor = scale[FACTOR]!;
  const base = scale[BASE]!;
  const endC = bytes.length;
  const stacks = lo.length;
  let atB = positionB | 0;
  let atC = positionC | 0;
  let id = -1;
  for (let i = 0; i < count; i++) {
    let delta = bytes[atB]!;
    atB = (atB + 1) | 0;
    if (delta > 127) {
      const next = bytes[atB]!;
      if (next < 128) {
        delta += (next - 1) * 128;
        atB = (atB + 1) | 0;
      } else {
        delta = longDelta(bytes, atB - 1, endB, stacks);
        atB = behind | 0;
      }
    }
    let number = bytes[atC]!;
    atC = (atC + 1) | 0;
    if (number > 127) {
      const next = bytes[atC]!;
      if (next < 128) {
        number += (next - 1) * 128;
        atC = (atC + 1) | 0;
      } else {
        number = getVarint(bytes, atC - 1, endC);
        atC = behind | 0;
      }
    }
    id = (id + delta + 1) | 0;
    const value = base + factor * number;
    const sum = lo[id]! + value;
    if (sum < LIMIT) {
      lo[id] = sum;
    } else {
      if (value >= LIMIT) fail(atC, 'value of 2^52 or more in a row that is not wide');
      carry(lo, hi, id, sum, atB);
    }
  }
  if (atB > endB) fail(atB, 'ids beyond the end of their stream');
  if (atC > endC) fail(atC, 'values beyond the end of their stream');
  positionB = atB;
  positionC = atC;
}

/** An id delta of three bytes and more; never as large as the stack table, so that a stack row cannot leave 32 bits and come back into bounds. */
function longDelta(bytes: Uint8Array, from: number, end: number, stacks: number): number {
  const delta = getVarint(bytes, from, end);
  if (delta >= stacks) fail(from, `a step of ${delta + 1} stacks of ${stacks}`);
  return delta | 0;
}

/** Stores a sum that is not below 2^52: it spills into the high part, unless the stack has no row. */
function carry(lo: Float64Array, hi: Float64Array, id: number, sum: number, at: number): void {
  if (!(id >= 0 && id < lo.length)) fail(at, `stack ${id} of ${lo.length}`);
  lo[id] = sum - LIMIT;
  hi[id] = hi[id]! + 1;
}

function fail(at: number, found: string): never {
  throw new CorruptDataError('page', at, found);
}
