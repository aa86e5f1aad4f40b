import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ByteReader } from './reader.ts';
import { ByteWriter } from './writer.ts';
import { CorruptDataError } from './corrupt-data-error.ts';

const write = (fill: (w: ByteWriter) => void): Uint8Array => {
  const w = new ByteWriter(1);
  fill(w);
  return w.toBytes();
};

/** Unsigned LEB128 as the protobuf encoding guide defines it, one step per seven bits. */
function slowVarint(value: bigint): number[] {
  const out: number[] = [];
  for (let rest = value; ; rest >>= 7n) {
    if (rest < 128n) return [...out, Number(rest)];
    out.push(Number(rest & 127n) | 128);
  }
}

const whole = fc.oneof(
  fc.nat(300),
  fc.maxSafeNat(),
  fc.constantFrom(0, 127, 128, 2 ** 28 - 1, 2 ** 28, 2 ** 31, 2 ** 32, 2 ** 53 - 1),
);

describe('varints', () => {
  test('are LEB128 and read back', () => {
    fc.assert(
      fc.property(whole, (value) => {
        const bytes = write((w) => w.varint(value));
        expect([...bytes]).toEqual(slowVarint(BigInt(value)));
        expect(new ByteReader(bytes, 'x').varint()).toBe(value);
        expect(new ByteReader(bytes, 'x').varintBig()).toBe(BigInt(value));
      }),
    );
  });

  test('of a column are those of its entries one by one', () => {
    const entry = fc.oneof(fc.nat(300), fc.nat(2 ** 31 - 1), fc.constantFrom(127, 128, 16_383, 16_384, 2 ** 32 - 1));
    fc.assert(
      fc.property(fc.array(entry), fc.nat(3), (values, more) => {
        const column = Uint32Array.from([...values, ...Array.from({ length: more }, () => 5)]);
        const bytes = write((w) => {
          w.u8(7);
          w.varints(column, values.length);
          w.u8(9);
        });
        expect([...bytes]).toEqual([7, ...values.flatMap((value) => slowVarint(BigInt(value))), 9]);
      }),
    );
  });

  test('of exact integers reach 2^64 - 1', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }), (value) => {
        const bytes = write((w) => w.varintExact(Number(value & 0xfffffffffffffn), Number(value >> 52n)));
        expect([...bytes]).toEqual(slowVarint(value));
        expect(new ByteReader(bytes, 'x').varintBig()).toBe(value);
      }),
    );
  });

  test('zigzag keeps small numbers of both signs small', () => {
    fc.assert(
      fc.property(fc.integer({ min: -(2 ** 52), max: 2 ** 52 - 1 }), (value) => {
        expect(
          new ByteReader(
            write((w) => w.zigzag(value)),
            'x',
          ).zigzag() + 0,
        ).toBe(value + 0);
      }),
    );
    expect(write((w) => w.zigzag(-1))).toEqual(new Uint8Array([1]));
    for (const value of [-(2 ** 52), 2 ** 52 - 1])
      expect(
        new ByteReader(
          write((w) => w.zigzag(value)),
          'x',
        ).zigzag(),
      ).toBe(value);
    expect(() => write((w) => w.zigzag(2 ** 52))).toThrow(RangeError);
    expect(() => write((w) => w.zigzag(-(2 ** 52) - 1))).toThrow(RangeError);
  });

  test('of 2^53 and more or without end are corrupt, not rounded', () => {
    for (const bytes of [
      slowVarint(2n ** 53n),
      slowVarint(2n ** 53n + 1n),
      slowVarint(2n ** 64n - 1n),
      [0x80],
      [0xff, 0xff, 0xff, 0xff, 0xff],
    ]) {
      expect(() => new ByteReader(new Uint8Array(bytes), 'x').varint()).toThrow(CorruptDataError);
    }
    expect(() => new ByteReader(new Uint8Array(slowVarint(2n ** 64n)), 'x').varintBig()).toThrow(CorruptDataError);
  });
});

describe('a reader', () => {
  test('returns what a writer wrote, in order', () => {
    const bytes = write((w) => {
      w.u8(7);
      w.u16(65535);
      w.u32(4294967295);
      w.u64(2n ** 64n - 1n);
      w.f64(2 ** 52 - 1);
      w.text('größe');
      w.align(8);
      w.bytes(new Uint8Array([1, 2]));
    });
    const r = new ByteReader(bytes, 'x');
    expect([r.u8(), r.u16(), r.u32(), r.u64(), r.f64(), r.text()]).toEqual([
      7,
      65535,
      4294967295,
      2n ** 64n - 1n,
      2 ** 52 - 1,
      'größe',
    ]);
    r.position = Math.ceil(r.position / 8) * 8;
    expect([...r.take(2)]).toEqual([1, 2]);
    expect(r.left).toBe(0);
  });

  test('throws CorruptDataError for any bytes that end too early', () => {
    const bytes = write((w) => {
      w.u32(1);
      w.text('abc');
      w.u64(3n);
    });
    for (let end = 0; end < bytes.length; end++) {
      const r = new ByteReader(bytes, 'x', 0, end);
      expect(() => [r.u32(), r.text(), r.u64()]).toThrow(CorruptDataError);
    }
  });

  test('bounds counts by the bytes left and refuses text that is not UTF-8', () => {
    expect(() =>
      new ByteReader(
        write((w) => w.varint(1e9)),
        'x',
      ).count(),
    ).toThrow(/count 1000000000/);
    expect(() => new ByteReader(new Uint8Array([1, 0xff]), 'x').text()).toThrow(/UTF-8/);
  });
});
