import { create, toBinary, toJsonString } from '@bufbuild/protobuf';
import type { FlameGraph } from '@kiln/query';
import {
  DiffResponseSchema,
  SelectMergeSpanProfileResponseSchema,
  SelectMergeStacktracesResponseSchema,
} from '@kiln/rpc';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { FlameGraphAnswer } from './flame-graph-answer.ts';

const total = fc.bigInt({ min: 0n, max: 2n ** 63n - 1n });
const small = fc.oneof(fc.nat(300), fc.nat(), fc.maxSafeNat());
const large = fc.oneof(fc.bigInt({ min: 0n, max: 300n }), total);
const sum = fc.oneof(fc.constant(0n), total);
const graph = fc.record({
  names: fc.array(fc.string({ unit: 'grapheme', maxLength: 9 }), { maxLength: 5 }),
  levels: fc.oneof(
    fc.array(
      fc.array(small, { maxLength: 12 }).map((level) => Float64Array.from(level)),
      { maxLength: 4 },
    ),
    fc.array(
      fc.array(large, { maxLength: 12 }).map((level) => BigInt64Array.from(level)),
      { maxLength: 4 },
    ),
  ),
  total: sum,
  maxSelf: sum,
});

test('a flame graph is encoded as the generic encoder would, in both codecs', () => {
  const schemas = [SelectMergeStacktracesResponseSchema, SelectMergeSpanProfileResponseSchema] as const;
  fc.assert(
    fc.property(graph, fc.constantFrom(...schemas), (shown, schema) => {
      const message = create(schema, { flamegraph: { ...shown, levels: levelsOf(shown) } });
      const answer = new FlameGraphAnswer(schema.field.flamegraph, shown);
      expect([...answer.toBinary()]).toEqual([...toBinary(schema, message)]);
      expect(new TextDecoder().decode(answer.toJson())).toBe(toJsonString(schema, message));
    }),
    { numRuns: 500 },
  );
  fc.assert(
    fc.property(graph, sum, sum, (shown, leftTicks, rightTicks) => {
      const diff = { ...shown, leftTicks, rightTicks };
      const message = create(DiffResponseSchema, { flamegraph: { ...diff, levels: levelsOf(shown) } });
      const answer = new FlameGraphAnswer(DiffResponseSchema.field.flamegraph, diff);
      expect([...answer.toBinary()]).toEqual([...toBinary(DiffResponseSchema, message)]);
      expect(new TextDecoder().decode(answer.toJson())).toBe(toJsonString(DiffResponseSchema, message));
    }),
    { numRuns: 200 },
  );
});

function levelsOf({ levels }: Pick<FlameGraph, 'levels'>): { values: bigint[] }[] {
  return levels.map((level: ArrayLike<number | bigint>) => ({ values: Array.from(level, BigInt) }));
}
