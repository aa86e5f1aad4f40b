import { ByteReader, ByteWriter, CorruptDataError } from '@kiln/bytes';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { readInts, writeInts } from './columns.ts';

/** Around where a number takes one byte more, and where a double begins to round. */
const edges = [2 ** 6, 2 ** 13, 2 ** 20, 2 ** 27, 2 ** 51, 2 ** 53].flatMap((edge) => [
  edge - 1,
  edge,
  1 - edge,
  -edge,
]);
const numbers = fc.oneof(fc.constantFrom(0, ...edges), fc.integer());

it('signed columns come back as they were, whatever follows them', () => {
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

it('a signed column that is cut off is corrupt', () => {
  const w = new ByteWriter();
  writeInts(w, Float64Array.of(5, 300, 70_000), 3);
  for (let length = 0; length < w.length; length++)
    expect(() => readInts(new ByteReader(w.toBytes().subarray(0, length), 'test'), 3)).toThrow(CorruptDataError);
});
