import { create, fromBinary, fromJsonString, toBinary, toJsonString } from '@bufbuild/protobuf';
import { BinaryReader } from '@bufbuild/protobuf/wire';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { EncodedBytes, EncodedMessage } from './encoded-answer.ts';
import { ProfileSchema, type Profile } from './gen/google/v1/profile_pb.ts';
import { PprofProfileSchema, SelectMergeStacktracesResponseSchema } from './gen/querier/v1/querier_pb.ts';

const int64 = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n });
const profile = fc
  .record({
    sample: fc.array(fc.record({ locationId: fc.array(fc.nat(300).map(BigInt)), value: fc.array(int64) }), {
      maxLength: 20,
    }),
    stringTable: fc.array(fc.string({ unit: 'binary', maxLength: 8 }), { maxLength: 20 }),
    comment: fc.array(int64, { maxLength: 3 }),
    timeNanos: int64,
    periodType: fc.option(fc.record({ type: int64, unit: int64 }), { nil: undefined }),
  })
  .map((init): Profile => create(ProfileSchema, init as never));
const within = [SelectMergeStacktracesResponseSchema.field.pprof, PprofProfileSchema.field.profile];
const decoder = new TextDecoder();

test('an answer that is encoded already is the message that it encodes, in both codecs, and where others hold it', () => {
  fc.assert(
    fc.property(profile, fc.constantFrom(1, 700), (message, times) => {
      // Many samples make several pieces.
      message.sample = Array.from({ length: times }, () => message.sample).flat();
      const bytes = toBinary(ProfileSchema, message);
      const alone = new EncodedMessage(ProfileSchema, bytes);
      expect(alone.toBinary()).toBe(bytes);
      expect(JSON.parse(decoder.decode(alone.toJson()))).toEqual(JSON.parse(toJsonString(ProfileSchema, message)));
      const whole = create(SelectMergeStacktracesResponseSchema, { pprof: { profile: message } });
      const held = new EncodedMessage(ProfileSchema, bytes, within);
      expect(fromBinary(SelectMergeStacktracesResponseSchema, held.toBinary())).toEqual(whole);
      expect(fromJsonString(SelectMergeStacktracesResponseSchema, decoder.decode(held.toJson()))).toEqual(whole);
    }),
    { numRuns: 60 },
  );
});

test('bytes alone are the message that holds them', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 100 }), (tree) => {
      const want = create(SelectMergeStacktracesResponseSchema, { tree });
      const answer = new EncodedBytes(SelectMergeStacktracesResponseSchema.field.tree, tree.subarray());
      expect([...answer.toBinary()]).toEqual([...toBinary(SelectMergeStacktracesResponseSchema, want)]);
      expect(decoder.decode(answer.toJson())).toBe(toJsonString(SelectMergeStacktracesResponseSchema, want));
    }),
  );
});

test('a message whose fields do not lie side by side is an error, and no JSON with a key twice', () => {
  const texts = (count: number): Uint8Array =>
    toBinary(
      ProfileSchema,
      create(ProfileSchema, { stringTable: Array.from({ length: count }, () => 'x'.repeat(99)) }),
    );
  const sample = toBinary(ProfileSchema, create(ProfileSchema, { sample: [{ value: [1n] }] }));
  const bytes = Buffer.concat([texts(1_000), sample, texts(1_000)]);
  expect(new BinaryReader(bytes).len).toBeGreaterThan(128 * 1024);
  expect(() => new EncodedMessage(ProfileSchema, bytes).toJson()).toThrow('has stringTable in two places');
});
