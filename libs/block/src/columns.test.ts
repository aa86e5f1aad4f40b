import { seededRandom } from '@kiln/async';
import { ByteReader, ByteWriter, CorruptDataError } from '@kiln/bytes';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { readInts, readUints, writeInts, writeUints } from './columns.ts';

const EDGES = [0, 1, 127, 128, 16_383, 16_384, 2_097_151, 2_097_152, 268_435_456, 4_294_967_295];

/** Columns in which numbers of every length stand beside each other. */
function columns(): Uint32Array[] {
  const random = seededRandom(11);
  return Array.from({ length: 400 }, (_, round) => {
    const kinds = 1 + (round % EDGES.length);
    return Uint32Array.from({ length: round % 23 }, () => {
      const edge = EDGES[Math.floor(random() * kinds)]!;
      return random() < 0.5 ? edge : Math.floor(random() * (edge + 1));
    });
  });
}

/** Number by number. */
function written(column: Uint32Array): Uint8Array {
  const w = new ByteWriter();
  for (const value of column) w.varint(value);
  return w.toBytes();
}

describe('a column of whole numbers', () => {
  test('is written as its numbers are one by one, and read back, whatever follows it', () => {
    for (const column of columns()) {
      const w = new ByteWriter(1);
      writeUints(w, column, column.length);
      expect(w.toBytes()).toEqual(written(column));
      w.bytes(Uint8Array.of(0xff, 0xff, 0xff, 0xff));
      const r = new ByteReader(w.toBytes(), 'test');
      expect(readUints(r, column.length, 2 ** 32, 'number')).toEqual(column);
      expect(r.left).toBe(4);
    }
  });

  test('is refused when its bytes end before its numbers do, and when a number is not below the limit', () => {
    for (const column of columns()) {
      const bytes = written(column);
      // Bytes behind the end of the reader are there, and are no part of the column.
      for (let end = 0; end < bytes.length; end++)
        expect(() => readUints(new ByteReader(bytes, 'test', 0, end), column.length, 2 ** 32, 'number')).toThrow(
          'test',
        );
      if (column.length === 0) continue;
      const largest = Math.max(...column);
      expect(readUints(new ByteReader(bytes, 'test'), column.length, largest + 1, 'number')).toEqual(column);
      expect(() => readUints(new ByteReader(bytes, 'test'), column.length, largest, 'number')).toThrow(
        `number ${largest} of ${largest}`,
      );
    }
  });
});

/** Around where a number takes one byte more, and where a double begins to round. */
const edges = [2 ** 6, 2 ** 13, 2 ** 20, 2 ** 27, 2 ** 51, 2 ** 53].flatMap((edge) => [
  edge - 1,
  edge,
  1 - edge,
  -edge,
]);
const numbers = fc.oneof(fc.constantFrom(0, ...edges), fc.integer());

test('signed columns come back as they were, whatever follows them', () => {
  fc.assert(
    fc.property(fc.array(numbers, { maxLength: 20 }), fc.uint8Array({ maxLength: 4 }), (values, behind) => {
      const w = new ByteWriter();
      writeInts(w, Float64Array.from(values), values.length);
      w.bytes(behind);
      const r = new ByteReader(w.toBytes(), 'test');
      expect([...readInts(r, values.length)].map((value) => value + 0)).toEqual(values);
      expect([...r.take(r.left)]).toEqual([...behind]);
    }),
  );
});

test('a signed column that is cut off is corrupt', () => {
  const w = new ByteWriter();
  writeInts(w, Float64Array.of(5, 300, 70_000), 3);
  for (let length = 0; length < w.length; length++)
    expect(() => readInts(new ByteReader(w.toBytes().subarray(0, length), 'test'), 3)).toThrow(CorruptDataError);
});
