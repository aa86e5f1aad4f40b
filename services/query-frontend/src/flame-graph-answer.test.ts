import { create, toBinary, toJsonString } from '@bufbuild/protobuf';
import type { FlameGraph } from '@kiln/query';
import { SelectMergeSpanProfileResponseSchema, SelectMergeStacktracesResponseSchema } from '@kiln/rpc';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { FlameGraphAnswer } from './flame-graph-answer.ts';

const total = fc.bigInt({ min: 0n, max: 2n ** 63n - 1n });
const small = fc.oneof(fc.nat(300), fc.nat(), fc.maxSafeNat());
const large = fc.oneof(fc.bigInt({ min: 0n, max: 300n }), total);
const graph: fc.Arbitrary<FlameGraph> = fc.record({
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
  total: fc.oneof(fc.constant(0n), total),
  maxSelf: fc.oneof(fc.constant(0n), total),
});

test('a flame graph is encoded as the generic encoder would, in both codecs', () => {
  const schemas = [SelectMergeStacktracesResponseSchema, SelectMergeSpanProfileResponseSchema] as const;
  fc.assert(
    fc.property(graph, fc.constantFrom(...schemas), (shown, schema) => {
      const levels = shown.levels.map((level: ArrayLike<number | bigint>) => ({ values: Array.from(level, BigInt) }));
      const message = create(schema, { flamegraph: { ...shown, names: [...shown.names], levels } });
      const answer = new FlameGraphAnswer(schema.field.flamegraph, shown);
      expect([...answer.toBinary()]).toEqual([...toBinary(schema, message)]);
      expect(new TextDecoder().decode(answer.toJson())).toBe(toJsonString(schema, message));
    }),
    { numRuns: 500 },
  );
});
