import { CorruptDataError } from '@kiln/bytes';
import { exactToBigInt, ExactSums } from '@kiln/model';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { exactColumns, value } from '../testing.test-support.ts';
import { countSamples } from './count-samples.ts';
import { mergePage } from './merge-page.ts';
import { PageBuilder } from './page-builder.ts';
import { PageRows } from './page-rows.ts';

interface Row {
  stack: number[];
  values: bigint[][];
}

const STACKS = 1 << 20;

const rowOf = (types: number): fc.Arbitrary<Row> => {
  const values = fc.oneof(
    fc.array(value, { minLength: types, maxLength: types }),
    fc.nat(40).map((n) => Array.from({ length: types }, (_, t) => BigInt(n + 1) * (t === 0 ? 7n : 70n))),
  );
  const stack = fc.oneof({ weight: 4, arbitrary: fc.nat(300) }, { weight: 1, arbitrary: fc.nat(STACKS - 1) });
  return fc
    .uniqueArray(stack, { maxLength: 30 })
    .map((ids) => ids.toSorted((a, b) => a - b))
    .chain((ids) =>
      fc
        .oneof(
          fc.array(values, { minLength: ids.length, maxLength: ids.length }),
          fc
            .array(fc.nat(5), { minLength: ids.length, maxLength: ids.length })
            .map((counts) =>
              counts.map((n) => Array.from({ length: types }, (_, t) => BigInt(n + 1) * (t === 0 ? 3n : 30n))),
            ),
        )
        .map((own) => ({ stack: ids, values: own })),
    );
};

const pageOf = (rows: readonly Row[], types: number, builder = new PageBuilder(types)): Uint8Array => {
  for (const { stack, values } of rows)
    builder.add(
      Uint32Array.from([...stack, 9, 9]),
      exactColumns([...values, ...values.slice(0, 1)], types),
      stack.length,
    );
  return builder.toBytes();
};

const read = (bytes: Uint8Array, rows: number, types: number, stacks?: number): Row[] => {
  return rest(new PageRows({ firstRow: 0, rows, bytes }, types, stacks));
};

/** The rows from the next one on. */
const rest = (decoded: PageRows): Row[] => {
  const out: Row[] = [];
  while (decoded.next()) {
    const { stack, values, length } = decoded;
    out.push({
      stack: [...stack.subarray(0, length)],
      values: Array.from({ length }, (_, i) =>
        values.map(({ lo, hi }) => exactToBigInt(lo[i]!, hi === undefined ? 0 : hi[i]!)),
      ),
    });
  }
  return out;
};

const modesOf = (bytes: Uint8Array): number => bytes[5]!;

describe('a page', () => {
  test('gives back the rows it was given, wide ones too', () => {
    fc.assert(
      fc.property(
        fc
          .integer({ min: 1, max: 4 })
          .chain((types) => fc.tuple(fc.constant(types), fc.array(rowOf(types), { maxLength: 6 }))),
        ([types, rows]) => {
          const builder = new PageBuilder(types);
          const bytes = pageOf(rows, types, builder);
          expect(read(bytes, rows.length, types)).toEqual(rows);
          expect(countSamples(bytes)).toBe(rows.reduce((sum, { stack }) => sum + stack.length, 0));
          expect(builder.rows).toBe(rows.length);
          expect(Math.abs(builder.byteLength - bytes.length)).toBeLessThanOrEqual(20);
          builder.clear();
          expect(pageOf(rows, types, builder)).toEqual(bytes);
        },
      ),
    );
  });

  test('gives all its rows again when it is rewound, wherever it stands', () => {
    fc.assert(
      fc.property(fc.array(rowOf(2), { minLength: 1, maxLength: 3 }), fc.boolean(), (rows, skips) => {
        const decoded = new PageRows({ firstRow: 0, rows: rows.length, bytes: pageOf(rows, 2) }, 2);
        for (let before = 0; before <= rows.length + 1; before++) {
          for (let i = 0; i < before; i++) decoded.next();
          decoded.rewind();
          decoded.rewind();
          if (skips) expect(decoded.skip()).toBe(true);
          expect(rest(decoded)).toEqual(skips ? rows.slice(1) : rows);
          expect(decoded.next()).toBe(false);
          decoded.rewind();
        }
      }),
    );
  });

  test('merges to the sums of a model of bigints, only the wanted rows', () => {
    fc.assert(
      fc.property(
        fc
          .integer({ min: 1, max: 3 })
          .chain((types) => fc.tuple(fc.constant(types), fc.array(rowOf(types), { maxLength: 8 }))),
        fc.nat(),
        fc.nat(5),
        fc.array(fc.boolean(), { minLength: 13, maxLength: 13 }),
        ([types, rows], pick, firstRow, wants) => {
          const type = pick % types;
          const bytes = pageOf(rows, types);
          const wanted = pick % 3 === 0 ? undefined : Uint8Array.from(wants, Number);
          const sums = new ExactSums(STACKS);
          const want = new Map<number, bigint>();
          for (let times = 0; times < 3; times++) {
            mergePage({ firstRow, rows: rows.length, bytes }, type, wanted, sums);
            rows.forEach(({ stack, values }, r) => {
              if (wanted !== undefined && wanted[firstRow + r] === 0) return;
              stack.forEach((id, i) => want.set(id, (want.get(id) ?? 0n) + values[i]![type]!));
            });
          }
          for (const [id, sum] of want) expect(sums.get(id)).toBe(sum);
          let total = 0n;
          for (const sum of want.values()) total += sum;
          let found = 0n;
          for (let id = 0; id < STACKS; id++) if (sums.lo[id] !== 0 || sums.hi[id] !== 0) found += sums.get(id);
          expect(found).toBe(total);
        },
      ),
      { numRuns: 50 },
    );
  });

  test('stays exact where a sum passes 2^52 and 2^63', () => {
    const large = 2n ** 52n - 1n;
    const bytes = pageOf(
      [
        { stack: [1, 2], values: [[large], [3n]] },
        { stack: [1], values: [[2n ** 63n - 1n]] },
      ],
      1,
    );
    const sums = new ExactSums(3);
    for (let i = 0; i < 5000; i++) mergePage({ firstRow: 0, rows: 2, bytes }, 0, undefined, sums);
    expect([sums.get(0), sums.get(1), sums.get(2)]).toEqual([0n, 5000n * (large + 2n ** 63n - 1n), 15_000n]);
  });

  test('splits classes only when every sample allows it', () => {
    const mode = (values: bigint[][], want: number): void => {
      const stack = values.map((_, i) => i);
      const bytes = pageOf([{ stack, values }], values[0]!.length);
      expect(modesOf(bytes)).toBe(want);
      expect(read(bytes, 1, values[0]!.length)).toEqual([{ stack, values }]);
    };
    mode(
      [
        [1n, 10n],
        [2n, 20n],
        [1n, 10n],
      ],
      0,
    );
    mode(
      [
        [1n, 10n],
        [2n, 20n],
        [1n, 11n],
      ],
      1,
    );
    mode(
      [
        [10n, 1n],
        [20n, 2n],
      ],
      1,
    );
    mode(
      [
        [1n, 0n],
        [2n, 0n],
      ],
      0,
    );
    mode(
      [
        [0n, 0n],
        [2n, 20n],
      ],
      1,
    );
    mode(
      [
        [0n, 5n],
        [0n, 7n],
      ],
      1,
    );
    mode([[1n, 2n ** 52n]], 0x81);
    mode(
      [
        [2n ** 51n, 2n ** 52n - 2n],
        [1n, 2n],
      ],
      1,
    );
    mode([[3n, 2n ** 51n]], 1);
  });

  test('refuses rows whose stacks do not rise: it could not be read again', () => {
    const builder = new PageBuilder(1);
    for (const stack of [
      [1, 1],
      [2, 1],
    ])
      expect(() => builder.add(Uint32Array.from(stack), exactColumns([[1n], [1n]], 1), 2)).toThrow('must rise');
    expect(builder.rows).toBe(0);
    expect(read(builder.toBytes(), 0, 1)).toEqual([]);
  });

  test('takes the bytes that FORMAT.md works out', () => {
    const bytes = pageOf(
      [
        {
          stack: [0, 2, 3, 9],
          values: [
            [1n, 10n],
            [3n, 30n],
            [1n, 10n],
            [1n, 10n],
          ],
        },
        {
          stack: [2, 4],
          values: [
            [2n, 500n],
            [0n, 700n],
          ],
        },
      ],
      2,
    );
    expect(Buffer.from(bytes).toString('hex')).toBe(WORKED_EXAMPLE.replaceAll(' ', ''));
  });

  test('of reserved modes is refused by name', () => {
    for (const mode of [2, 3]) {
      const bytes = Uint8Array.of(1, 1, 2, 0, 0, mode, 0);
      expect(() => read(bytes, 1, 1)).toThrow(`row of mode ${mode}, reserved`);
      expect(() => mergePage({ firstRow: 0, rows: 1, bytes }, 0, undefined, new ExactSums(1))).toThrow('reserved');
      expect(() => countSamples(bytes)).toThrow('reserved');
    }
  });

  test('that names a stack beyond the table is corrupt for both readers', () => {
    for (const values of [[[1n]], [[2n]], [[2n ** 60n]]]) {
      const bytes = pageOf([{ stack: [7], values }], 1);
      const page = { firstRow: 0, rows: 1, bytes };
      expect(() => mergePage(page, 0, undefined, new ExactSums(7))).toThrow(CorruptDataError);
      mergePage(page, 0, undefined, new ExactSums(8));
      expect(() => read(bytes, 1, 1, 7)).toThrow(CorruptDataError);
      read(bytes, 1, 1, 8);
    }
  });

  test('whose product passes 2^52 is corrupt, not rounded', () => {
    // mode 0, scale 2^51, one sample of value / scale - 2 = 0, so 2^52
    const bytes = Uint8Array.of(1, 1, 11, 0, 1, 0, 128, 128, 128, 128, 128, 128, 128, 4, 0, 1, 0, 0);
    expect(() => read(bytes, 1, 1)).toThrow(/2\^52/);
    expect(() => mergePage({ firstRow: 0, rows: 1, bytes }, 0, undefined, new ExactSums(1))).toThrow(/2\^52/);
  });
});

describe('a damaged page', () => {
  const small = pageOf(
    [
      {
        stack: [0, 2, 3, 9, 200],
        values: [
          [1n, 10n],
          [3n, 30n],
          [1n, 10n],
          [1n, 10n],
          [300n, 3000n],
        ],
      },
      {
        stack: [2, 4],
        values: [
          [2n, 500n],
          [0n, 700n],
        ],
      },
      { stack: [5], values: [[2n ** 60n, 1n]] },
    ],
    2,
  );

  /** Both readers either refuse the bytes or agree on what they say. */
  const agree = (bytes: Uint8Array): void => {
    let rows: Row[] | undefined;
    try {
      rows = read(bytes, 3, 2, 1024);
    } catch (error) {
      expect(error).toBeInstanceOf(CorruptDataError);
    }
    for (const type of [0, 1]) {
      const sums = new ExactSums(1024);
      try {
        mergePage({ firstRow: 0, rows: 3, bytes }, type, undefined, sums);
      } catch (error) {
        expect(error).toBeInstanceOf(CorruptDataError);
        expect(rows, 'one reader refuses what the other reads').toBeUndefined();
        continue;
      }
      if (rows === undefined) continue;
      const want = new ExactSums(1024);
      for (const { stack, values } of rows)
        stack.forEach((id, i) => {
          const part = values[i]![type]!;
          want.add(id, Number(part & 0xfffffffffffffn), Number(part >> 52n));
        });
      expect(sums).toEqual(want);
    }
  };

  test('ends too early at every byte: refused', () => {
    for (let end = 0; end < small.length; end++) {
      expect(() => read(small.subarray(0, end), 3, 2)).toThrow(CorruptDataError);
      expect(() =>
        mergePage({ firstRow: 0, rows: 3, bytes: small.subarray(0, end) }, 0, undefined, new ExactSums(1024)),
      ).toThrow(CorruptDataError);
    }
  });

  test('with any byte changed to any value is refused or means the same to both readers', () => {
    for (let at = 0; at < small.length; at++)
      for (let byte = 0; byte < 256; byte++) {
        const bytes = small.slice();
        bytes[at] = byte;
        agree(bytes);
      }
  });

  test('of random bytes never hangs and never leaves the arrays', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => agree(Uint8Array.from([3, 2, ...bytes]))),
      { numRuns: 2000 },
    );
  });
});

const WORKED_EXAMPLE = '02 02 0a 03 03 00 01 0a 03 01 01 02 04 c8 01 00 02 05 02 02 01 01 01 00 05 07';
