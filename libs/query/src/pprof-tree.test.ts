import fc from 'fast-check';
import { expect, test } from 'vitest';
import { decodePprof } from '@kiln/formats';
import { buildPprof, type BuiltFrame, type BuiltSample } from '../../../test/support/profile-builder.ts';
import { functionSums, treeTotal, type FunctionSum } from './function-sums.ts';
import { treeOfPprof } from './pprof-tree.ts';

function sumsOf(samples: readonly BuiltSample[]): { functions: FunctionSum[]; total: bigint } {
  const tree = treeOfPprof(decodePprof(buildPprof({ types: [['cpu', 'nanoseconds']], samples })), 0);
  return { functions: functionSums(tree), total: treeTotal(tree) };
}
const byName = (functions: readonly FunctionSum[]) =>
  Object.fromEntries(functions.map(({ name, self, total }) => [name, [self, total]]));
/** Root first, as people read stacks. */
const stack = (path: string, value: bigint): BuiltSample => ({
  frames: path
    .split(';')
    .map((name) => ({ name }))
    .toReversed(),
  values: [value],
});

test('self is of the leaf, total of the stacks that a function is in, each once', () => {
  const { functions, total } = sumsOf([stack('main;f;g;f;g', 5n), stack('main;f', 2n), stack('main;h', 1n)]);
  expect(total).toBe(8n);
  expect(byName(functions)).toEqual({ main: [0n, 8n], f: [2n, 7n], g: [5n, 5n], h: [1n, 1n] });
});

test('sums are exact beyond what a double holds', () => {
  const large = 2n ** 62n + 1n;
  const { functions, total } = sumsOf([stack('a;b', large), stack('a;c', 2n ** 62n - 3n)]);
  expect(total).toBe(2n ** 63n - 2n);
  expect(byName(functions)['b']).toEqual([large, large]);
  expect(byName(functions)['a']).toEqual([0n, 2n ** 63n - 2n]);
});

test('a function of two files is one, inlined lines are functions, an address is named by its binary', () => {
  const inlining: BuiltFrame = { name: 'outer', inlined: [{ name: 'inner' }] };
  const { functions } = sumsOf([
    { frames: [{ name: 'f', file: 'a.go' }, { name: 'main' }], values: [1n] },
    { frames: [{ name: 'f', file: 'b.go' }, { name: 'main' }], values: [2n] },
    { frames: [inlining, { name: 'main' }], values: [4n] },
    { frames: [{ binary: '/usr/lib/libc.so.6', address: 0xdead_beef_01n }, { name: 'main' }], values: [8n] },
  ]);
  expect(byName(functions)).toEqual({
    main: [0n, 15n],
    f: [3n, 3n],
    inner: [4n, 4n],
    outer: [0n, 4n],
    'libc.so.6!0xdeadbeef01': [8n, 8n],
  });
});

test('any profile: as a plain count over its stacks', () => {
  const anyStack = fc.tuple(
    fc.array(fc.constantFrom('a', 'b', 'c', 'd'), { minLength: 1, maxLength: 8 }),
    fc.bigInt({ min: 1n, max: 2n ** 40n }),
  );
  fc.assert(
    fc.property(fc.array(anyStack, { minLength: 1, maxLength: 20 }), (stacks) => {
      const want: Record<string, [bigint, bigint]> = {};
      for (const [names, value] of stacks) {
        for (const name of new Set(names)) {
          const [self, total] = want[name] ?? [0n, 0n];
          want[name] = [self + (names.at(-1) === name ? value : 0n), total + value];
        }
      }
      const { functions, total } = sumsOf(stacks.map(([names, value]) => stack(names.join(';'), value)));
      expect(byName(functions)).toEqual(want);
      expect(total).toBe(stacks.reduce((sum, [, value]) => sum + value, 0n));
    }),
  );
});
