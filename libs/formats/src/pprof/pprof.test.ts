import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { KilnError } from '@kiln/model';
import { normalizePprof } from '../normalize.ts';
import { decodeMessage, draw, encodeMessage } from '../test-support/pprof-message.ts';
import { limits, show } from '../test-support/show-profile.ts';
import { decodePprof } from './decode.ts';
import { encodePprof } from './encode.ts';

const labels = [
  { name: '__name__', value: 'n' },
  { name: 'service_name', value: 's' },
];
const request = {
  labels,
  limits: { ...limits, rejectOlderThanMs: 0, rejectNewerThanMs: 0 },
  receivedMs: 1_800_000_000_000,
};
const frames = fc.array(fc.constantFrom('a', 'b', 'c', 'main.Long[...]', 'größe'), { maxLength: 6 });
const samples = fc.array(
  fc.tuple(frames, fc.bigInt({ min: 1n, max: 2n ** 57n }), fc.bigInt({ min: 0n, max: 2n ** 50n })),
  { maxLength: 20 },
);

function outcome(bytes: Uint8Array): string {
  try {
    const { profile } = normalizePprof(decodePprof(bytes), request);
    return profile === undefined ? 'nothing' : JSON.stringify(show(profile));
  } catch (error) {
    if (!(error instanceof KilnError)) throw error;
    return `${error.code}: ${error.message}`;
  }
}

describe('a pprof', () => {
  test('read, encoded and read again holds the same stacks, lines, mappings and exact values', () => {
    fc.assert(
      fc.property(samples, (drawn) => {
        const lines = drawn.map(([stack, one, two]) => `${stack.join(';')} ${one} ${two}`);
        const { profile } = normalizePprof(decodePprof(encodeMessage(draw(['x/count', 'y/bytes'], lines))), request);
        if (profile === undefined) return;
        const group = profile.groups[0]!;
        const { types, symbols } = profile;
        // Stacks of the one group are all stacks of the table, in order.
        expect([...group.stack]).toEqual([...group.stack.keys()]);
        const again = encodePprof({
          symbols,
          types: types.map((type, t) => ({ ...type, values: group.values[t]! })),
          periodType: { type: 'x', unit: 'count' },
          period: 10n,
          timeNanos: 5n,
          durationNanos: 6n,
        });
        expect(outcome(again)).toBe(JSON.stringify(show(profile)));
        const message = decodeMessage(again);
        expect(message.stringTable[0]).toBe('');
        expect([message.timeNanos, message.durationNanos, message.period]).toEqual(['5', '6', '10']);
        expect(message.stringTable[message.periodType.type!]).toBe('x');
        expect(message.mapping.map(({ filename }) => message.stringTable[filename!])).toEqual(
          message.mapping.map(() => '/bin/app'),
        );
      }),
      { numRuns: 200 },
    );
  });

  test('means the same in any order of fields, packed or not, with unknown fields between', () => {
    const message = draw(['x/count', 'y/bytes'], ['a;b 1 300', 'a 70000 5']);
    const want = outcome(encodeMessage(message));
    expect(want).toContain('a;b 1 300');
    const bytes = encodeMessage(message);
    const fields = topLevel(bytes);
    expect(outcome(concat(order(fields)))).toBe(want);
    const extra = [
      Uint8Array.of(0x9a, 0x06, 2, 1, 2),
      Uint8Array.of(0xa1, 0x06, 1, 2, 3, 4, 5, 6, 7, 8),
      Uint8Array.of(0xa5, 0x06, 1, 2, 3, 4),
    ];
    expect(outcome(concat([extra[0]!, ...fields, extra[1]!, extra[2]!]))).toBe(want);
    const unpacked = concat(fields.map((field) => (field[0] === 0x12 ? unpack(field) : field)));
    expect(unpacked.length).not.toBe(bytes.length);
    expect(outcome(unpacked)).toBe(want);
  });

  test('cut at any byte is read or refused, and never anything else', () => {
    const bytes = encodeMessage(draw(['x/count'], ['a;b;c 1', 'a;b 300', 'd 70000']));
    for (let end = 0; end < bytes.length; end++)
      expect(outcome(bytes.slice(0, end))).toMatch(/^(invalid_argument: |nothing|\{)/);
  });

  test('of random bytes is refused or read, in bounded time', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        outcome(bytes);
      }),
      { numRuns: 2_000 },
    );
    const hugeCount = Uint8Array.of(0x12, 0xff, 0xff, 0xff, 0xff, 0x0f);
    expect(outcome(hugeCount)).toMatch(/^invalid_argument: profile is not a pprof: a field of 4294967295 bytes/);
  });
});

/** The top-level fields of a message, each with its tag. */
function topLevel(bytes: Uint8Array): Uint8Array[] {
  const fields: Uint8Array[] = [];
  for (let at = 0; at < bytes.length;) {
    const from = at;
    const type = bytes[at++]! & 7;
    const [value, next] = readVarint(bytes, at);
    at = type === 2 ? next + value : next;
    fields.push(bytes.slice(from, at));
  }
  return fields;
}

function readVarint(bytes: Uint8Array, at: number): [number, number] {
  let value = 0;
  for (let shift = 0, i = at; ; shift += 7, i++) {
    value += (bytes[i]! & 127) * 2 ** shift;
    if (bytes[i]! < 128) return [value, i + 1];
  }
}

/** Backwards between kinds of field, in order within each, as rows are counted. */
function order(fields: Uint8Array[]): Uint8Array[] {
  const kinds = [...new Set(fields.map((field) => field[0]!))].toReversed();
  return kinds.flatMap((kind) => fields.filter((field) => field[0] === kind));
}

/** A sample message with its packed runs written one by one. */
function unpack(field: Uint8Array): Uint8Array {
  const [, body] = readVarint(field, 1);
  const parts = topLevel(field.slice(body)).map((part) => {
    const no = part[0]! >> 3;
    if (no > 2) return part;
    const out: number[] = [];
    for (let at = readVarint(part, 1)[1]; at < part.length;) {
      const [, next] = readVarint(part, at);
      out.push(no * 8, ...part.slice(at, next));
      at = next;
    }
    return Uint8Array.from(out);
  });
  const content = concat(parts);
  expect(content.length).toBeLessThan(128);
  return concat([Uint8Array.of(0x12, content.length), content]);
}

function concat(parts: Uint8Array[]): Uint8Array {
  return Uint8Array.from(parts.flatMap((part) => [...part]));
}
