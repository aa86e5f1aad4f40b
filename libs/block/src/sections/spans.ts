import type { ByteReader, ByteWriter } from '@kiln/bytes';
import type { ExactColumn } from '@kiln/model';
import { readExact, readUints, writeExact, writeUints } from '../columns.ts';
import type { DatasetSpans } from '../tables.ts';

/*
 * spans := n | nIds * (span id u64, trace id: two u64, high first) | n * row delta | n * stack | n * id no. | per value type an exact column
 * Sorted by row. Ids are a table of their own because the samples of one span share them and their bytes do not compress.
 */
const ID_BYTES = 24;

export function writeSpans(w: ByteWriter, spans: DatasetSpans): void {
  const ids = new Map<string, number>();
  const number = new Uint32Array(spans.length);
  const rowDelta = new Uint32Array(spans.length);
  const table: number[] = [];
  for (let i = 0; i < spans.length; i++) {
    const key = `${spans.spanId[i]}:${spans.traceIdHi[i]}:${spans.traceIdLo[i]}`;
    let id = ids.get(key);
    if (id === undefined) {
      id = table.push(i) - 1;
      ids.set(key, id);
    }
    number[i] = id;
    rowDelta[i] = spans.row[i]! - (i === 0 ? 0 : spans.row[i - 1]!);
  }
  w.varint(spans.length);
  w.varint(table.length);
  for (const i of table) {
    w.u64(spans.spanId[i]!);
    w.u64(spans.traceIdHi[i]!);
    w.u64(spans.traceIdLo[i]!);
  }
  writeUints(w, rowDelta, spans.length);
  writeUints(w, spans.stack, spans.length);
  writeUints(w, number, spans.length);
  for (const column of spans.values) writeExact(w, column, 0, spans.length);
}

/**
 * @param rows, stacks sizes of the tables that the entries refer to.
 */
export function readSpans(r: ByteReader, types: number, rows: number, stacks: number): DatasetSpans {
  const length = r.count(3 + types);
  const ids = r.count(ID_BYTES);
  const table = new BigUint64Array(ids * 3);
  for (let i = 0; i < table.length; i++) table[i] = r.u64();
  const row = readUints(r, length, rows, 'row');
  for (let i = 1; i < length; i++) {
    const next = row[i - 1]! + row[i]!;
    if (next >= rows) r.fail(`row ${next} of ${rows}`);
    row[i] = next;
  }
  const stack = readUints(r, length, stacks, 'stack');
  const number = readUints(r, length, ids, 'span id');
  const spanId = new BigUint64Array(length);
  const traceIdHi = new BigUint64Array(length);
  const traceIdLo = new BigUint64Array(length);
  for (let i = 0; i < length; i++) {
    spanId[i] = table[number[i]! * 3]!;
    traceIdHi[i] = table[number[i]! * 3 + 1]!;
    traceIdLo[i] = table[number[i]! * 3 + 2]!;
  }
  const values: ExactColumn[] = [];
  for (let t = 0; t < types; t++) {
    const lo = new Float64Array(length);
    const hi = readExact(r, lo, 0, length);
    values.push({ lo, hi });
  }
  return { length, row, stack, spanId, traceIdHi, traceIdLo, values };
}
