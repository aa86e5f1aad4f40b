import { describe, expect, test } from 'vitest';
import { KilnError } from '@kiln/model';
import { draw, encodeMessage, type PprofMessage } from '../test-support/pprof-message.ts';
import { decodePprof, PprofReader } from './decode.ts';
import { IdIndex } from './id-index.ts';
import type { Pprof } from './pprof.ts';

/** Frames of a sample as location ids, 0 where no location has the id. */
function idsOf({ samples, locations }: Pprof, sample: number): number[] {
  const path = samples.path[sample]!;
  const { frame, frameStart } = samples.paths;
  return Array.from(frame.subarray(frameStart[path], frameStart[path + 1]), (row) =>
    row === 0 ? 0 : locations.idLo[row - 1]!,
  );
}

/** One type, locations 1 to 9, and these sample messages. */
function withSamples(...samples: readonly (readonly number[])[]): Uint8Array {
  const bytes = [10, 2, 8, 1];
  for (let id = 1; id < 10; id++) bytes.push(34, 2, 8, id);
  for (const sample of samples) bytes.push(18, sample.length, ...sample);
  return Uint8Array.from([...bytes, 50, 0, 50, 1, 120]);
}

function refusal(bytes: Uint8Array): string {
  try {
    decodePprof(bytes);
  } catch (error) {
    expect(error).toBeInstanceOf(KilnError);
    expect(error).toMatchObject({ code: 'invalid_argument', reason: 'malformed_profile' });
    return (error as KilnError).message;
  }
  throw new Error('was accepted');
}

describe('location ids of a sample', () => {
  test('are the same list packed, one by one or in pieces', () => {
    const packed = [10, 3, 1, 2, 3];
    const single = [8, 1, 8, 2, 8, 3];
    const pieces = [10, 1, 1, 8, 2, 10, 1, 3];
    const around = [10, 2, 1, 2, 16, 7, 8, 3];
    const pprof = decodePprof(withSamples([...packed, 16, 7], [...single, 16, 7], [...pieces, 16, 7], around));
    for (let sample = 0; sample < 4; sample++) expect(idsOf(pprof, sample)).toEqual([1, 2, 3]);
  });

  test('that are equal bytes but other fields are told apart', () => {
    const pprof = decodePprof(withSamples([10, 2, 8, 1, 16, 7], [8, 1, 16, 7], [10, 2, 8, 1, 16, 7]));
    expect([0, 1, 2].map((sample) => idsOf(pprof, sample))).toEqual([[8, 1], [1], [8, 1]]);
    expect(pprof.samples.paths.length).toBe(2);
  });

  test('are read once when many samples have them', () => {
    const sample = [10, 3, 1, 2, 3, 16, 7];
    const { samples } = decodePprof(withSamples(...Array.from({ length: 50 }, () => sample)));
    expect([samples.length, samples.paths.length]).toEqual([50, 1]);
  });

  test('may be long, padded, or of no location', () => {
    const pprof = decodePprof(withSamples([10, 6, 0x81, 0x80, 0, 0xff, 1, 2, 16, 7], [16, 7]));
    expect([idsOf(pprof, 0), idsOf(pprof, 1)]).toEqual([[1, 0, 2], []]);
  });
});

describe('values', () => {
  const values = (bytes: Uint8Array): unknown[] => {
    const { samples } = decodePprof(bytes);
    return Array.from({ length: samples.length }, (_, i) => [samples.state[i], samples.lo[i], samples.hi?.[i] ?? 0]);
  };

  test('are exact from zero to 2^63 - 1, and negative ones are known', () => {
    const message = draw(['x/y'], ['a 0', 'a 1', `a ${2n ** 52n - 1n}`, `a ${2n ** 52n}`, `a ${2n ** 63n - 1n}`]);
    expect(values(encodeMessage(message))).toEqual([
      [2, 0, 0],
      [0, 1, 0],
      [0, 2 ** 52 - 1, 0],
      [0, 0, 1],
      [0, 2 ** 52 - 1, 2047],
    ]);
    expect(values(encodeMessage(draw(['x/y'], ['a -1', 'a 5'])))).toEqual([
      [1, 2 ** 52 - 1, -1],
      [0, 5, 0],
    ]);
  });

  test('of other number than types are refused', () => {
    expect(refusal(withSamples([16, 1, 16, 2]))).toBe('sample 0 has 2 values, the profile has 1 sample types');
    expect(refusal(withSamples([16, 1], [8, 1]))).toBe('sample 1 has 0 values, the profile has 1 sample types');
  });
});

describe('bytes that are no pprof are refused with their place', () => {
  test.each<[string, number[], RegExp]>([
    ['nothing', [], /empty: 0 bytes/],
    ['a group', [10, 2, 8, 1, 0x13], /wire type 3 at byte/],
    ['field number 0', [2, 0], /field number 0 at byte/],
    ['a number without end', [0x48, 0x80, 0x80], /a number without end at byte 3/],
    ['a number of eleven bytes', [0x48, ...Array.from({ length: 10 }, () => 0x80), 1], /more than ten bytes/],
    ['a length beyond the end', [0x32, 5, 65], /a field of 5 bytes with 1 left at byte 2/],
    ['a length beyond the message', [0x22, 3, 0x22, 9, 8], /a field of 9 bytes with 1 left/],
    ['a fixed number cut off', [0x49, 1, 2], /a field of 8 bytes with 2 left/],
    ['an id cut off', [10, 0, 0x12, 3, 8, 0x80, 0x80], /a number without end/],
  ])('%s', (_, bytes, sentence) => expect(refusal(Uint8Array.from(bytes))).toMatch(sentence));
});

describe('a reader', () => {
  test('shows nothing of the profile before', () => {
    const large = draw(
      ['x/y', 'z/y'],
      Array.from({ length: 200 }, (_, i) => `a;b${i};c ${2n ** 62n} ${i + 1}`),
    );
    const small: PprofMessage = draw(['x/y'], ['q 1']);
    const reader = new PprofReader();
    reader.read(encodeMessage(large));
    const { samples, locations, functions } = reader.read(encodeMessage(small));
    expect([samples.length, samples.hi, samples.lo[0], locations.length, functions.length]).toEqual([
      1,
      undefined,
      1,
      1,
      1,
    ]);
    expect(samples.hasTexts).toBe(false);
  });

  test('is good again after a profile that it refused', () => {
    const reader = new PprofReader();
    const bytes = encodeMessage(draw(['x/y'], ['a;b 1', 'a 2']));
    for (let end = 1; end < bytes.length; end++) {
      try {
        reader.read(bytes.subarray(0, end));
      } catch (error) {
        expect(error).toBeInstanceOf(KilnError);
      }
    }
    expect(idsOf(reader.read(bytes), 0)).toEqual([2, 1]);
  });
});

describe('an index of ids', () => {
  const index = (ids: readonly number[]): IdIndex => {
    const made = new IdIndex();
    made.build(Int32Array.from(ids), new Int32Array(ids.length), ids.length);
    return made;
  };

  test('is a plain table for dense ids and none for sparse ones', () => {
    expect([index([1, 2, 3]).isDense, index([5, 70]).isDense]).toEqual([true, true]);
    const sparse = index([1, 2 ** 30, -5]);
    expect([sparse.isDense, sparse.size]).toEqual([false, 64]);
    expect([1, 2 ** 30, -5, 2].map((id) => sparse.row(id, 0))).toEqual([0, 1, 2, -1]);
    expect(sparse.row(1, 1)).toBe(-1);
  });

  test('gives the last row of an id that comes twice', () => {
    expect(index([4, 4]).row(4, 0)).toBe(1);
    expect(index([2 ** 30, 2 ** 30]).row(2 ** 30, 0)).toBe(1);
  });

  test('refuses ids that were chosen to collide, quickly', () => {
    // Ids that all want the first slot of a table of 4096.
    const wanted: number[] = [2 ** 30];
    for (let id = 1; wanted.length < 1_100; id++) if (slotOf(id) === 0) wanted.push(id);
    const probe = new IdIndex();
    expect(() => probe.build(Int32Array.from(wanted), new Int32Array(wanted.length), wanted.length)).toThrow(
      /more than 1000 of its ids fall into one place/,
    );
  });
});

/** The hash of `IdIndex`, for tables of 4096 slots. */
function slotOf(id: number): number {
  let hash = Math.imul(id, 0x9e3779b1);
  hash = Math.imul(hash ^ (hash >>> 15), 0xc2b2ae35);
  return (hash ^ (hash >>> 13)) & 4095;
}
