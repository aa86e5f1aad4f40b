import { ByteReader } from '@kiln/bytes';

/**
 * ```
 * page  := nRows | nTypes | hLen | aLen | bLen | H[hLen] | A[aLen] | B[bLen] | C
 * H row := mode u8, then
 *   mode 0     scale | ratio[1 .. nTypes - 1] | n1 | n2      A: n1 id deltas (value = scale)   B: n2 id deltas   C: n2 * (value / scale - 2)
 *   mode 1     n | column[nTypes]                            B: n id deltas                    C: per column of scale s > 0: n * (value / s)
 *   mode 0x81  n                                             B: n id deltas                    C: per type: n values
 * column := 2 * scale, or 2 * ratio + 1: the values of type 0 times ratio
 * ```
 * All numbers are unsigned LEB128. Values are below 2^52 but for mode 0x81, where they reach 2^64 - 1.
 */
export const MODE_SPLIT = 0;
export const MODE_COLUMNS = 1;
/** Bit 7 of a mode: some value of the row is 2^52 or more. */
export const WIDE = 0x80;
export const MODE_WIDE: number = WIDE | MODE_COLUMNS;

/** Where the four streams of a page begin and end, and what its header counts. */
export interface PageHeader {
  readonly rows: number;
  readonly types: number;
  readonly h: number;
  readonly a: number;
  readonly b: number;
  readonly c: number;
}

/** @throws CorruptDataError when the streams do not fit the bytes, or there are more rows than the bytes can hold. */
export function readPageHeader(bytes: Uint8Array): PageHeader {
  const reader = new ByteReader(bytes, 'page');
  const rows = reader.varint();
  const types = reader.varint();
  const hLength = reader.varint();
  const aLength = reader.varint();
  const bLength = reader.varint();
  const h = reader.position;
  const a = h + hLength;
  const b = a + aLength;
  const c = b + bLength;
  if (c > bytes.length) reader.fail(`streams of ${c - h} bytes, ${bytes.length - h} left`);
  if (types === 0 || types > MAX_TYPES) reader.fail(`${types} value types, 1 to ${MAX_TYPES} allowed`);
  if (rows > hLength / 2) reader.fail(`${rows} rows in ${hLength} bytes`);
  return { rows, types, h, a, b, c };
}

/** The sentence for a mode that this version does not read. */
export function unknownMode(mode: number): string {
  if (mode === 2 || mode === 3)
    return `row of mode ${mode}, reserved for differences to the previous row: this version reads modes 0, 1 and 0x81`;
  return `row of unknown mode ${mode}: this version reads modes 0, 1 and 0x81`;
}

/** More value types than any profile has. */
export const MAX_TYPES = 1024;
