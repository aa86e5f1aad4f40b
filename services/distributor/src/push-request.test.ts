import fc from 'fast-check';
import protobuf from 'protobufjs';
import { describe, expect, test, vi } from 'vitest';
import { KilnError } from '@kiln/model';
import { readPushRequest, readPushRequestJson, type PushedSeries } from './push-request.ts';

// The long forms take minutes.
vi.setConfig({ testTimeout: 600_000 });

const root = new protobuf.Root();
root.resolvePath = (_, target) => new URL(`../../../proto/${target}`, import.meta.url).pathname;
const type = root.loadSync('push/v1/push.proto').lookupType('push.v1.PushRequest');

const text = fc.string({ unit: 'binary', maxLength: 12 }).filter((s) => s.isWellFormed());
const series = fc.array(
  fc.record({
    labels: fc.array(fc.record({ name: text, value: text }), { maxLength: 4 }),
    samples: fc.array(fc.record({ rawProfile: fc.uint8Array({ maxLength: 40 }), ID: text }), { maxLength: 3 }),
  }),
  { maxLength: 4 },
);

const plain = (read: PushedSeries[]): unknown =>
  read.map(({ labels, samples }) => ({
    labels,
    samples: samples.map(({ profile, id }) => ({ rawProfile: [...profile], ID: id })),
  }));
const wanted = (sent: { labels: unknown; samples: { rawProfile: Uint8Array; ID: string }[] }[]): unknown =>
  sent.map(({ labels, samples }) => ({
    labels,
    samples: samples.map(({ rawProfile, ID }) => ({ rawProfile: [...rawProfile], ID })),
  }));

describe('a push request', () => {
  test('is read as protobufjs writes it, profiles without a copy', () => {
    fc.assert(
      fc.property(series, (sent) => {
        const body = type.encode(type.fromObject({ series: sent })).finish();
        const read = readPushRequest(body);
        expect(plain(read)).toEqual(wanted(sent));
        const profiles = read.flatMap(({ samples }) => samples.map(({ profile }) => profile));
        expect(profiles.filter(({ length, buffer }) => length > 0 && buffer !== body.buffer)).toEqual([]);
      }),
    );
  });

  test('in JSON is read in both spellings and both alphabets of base64', () => {
    fc.assert(
      fc.property(series, fc.boolean(), fc.constantFrom('base64', 'base64url'), (sent, isCamel, alphabet) => {
        const json = JSON.stringify({
          series: sent.map(({ labels, samples }) => ({
            labels,
            samples: samples.map(({ rawProfile, ID }) => ({
              [isCamel ? 'rawProfile' : 'raw_profile']: Buffer.from(rawProfile).toString(alphabet as 'base64'),
              ID,
              unknown: [1],
            })),
            annotations: null,
          })),
        });
        expect(plain(readPushRequestJson(json))).toEqual(wanted(sent));
      }),
    );
  });

  test('with unknown fields is read around them', () => {
    const body = type.encode(type.fromObject({ series: [{ labels: [{ name: 'a', value: 'b' }] }] })).finish();
    const extra = [
      0x9a, 0x06, 2, 1, 2, 0xa1, 0x06, 1, 2, 3, 4, 5, 6, 7, 8, 0xa5, 0x06, 1, 2, 3, 4, 0xa8, 0x06, 0xff, 0xff, 1,
    ];
    expect(readPushRequest(Uint8Array.from([...extra, ...body, ...extra]))).toHaveLength(1);
  });

  test('cut, changed or made up is refused with a sentence or read, and nothing else', () => {
    const outcome = (read: () => unknown): string => {
      try {
        read();
        return 'read';
      } catch (error) {
        if (!(error instanceof KilnError)) throw error;
        return error.code;
      }
    };
    const good = type
      .encode(
        type.fromObject({
          series: [{ labels: [{ name: 'a', value: 'b' }], samples: [{ rawProfile: new Uint8Array(200), ID: 'x' }] }],
        }),
      )
      .finish();
    const runs = process.env['KILN_LONG'] === '1' ? 10_000 : 1_000;
    fc.assert(
      fc.property(fc.nat(good.length - 1), fc.nat(255), fc.nat(good.length), (at, byte, end) => {
        const changed = good.slice(0, end);
        if (at < end) changed[at] = byte;
        expect(['read', 'invalid_argument']).toContain(outcome(() => readPushRequest(changed)));
      }),
      { numRuns: runs },
    );
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
        expect(['read', 'invalid_argument']).toContain(outcome(() => readPushRequest(bytes)));
      }),
      { numRuns: runs },
    );
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 4 }), (value) => {
        expect(['read', 'invalid_argument']).toContain(
          outcome(() => readPushRequestJson(JSON.stringify({ series: value }))),
        );
      }),
      { numRuns: runs },
    );
  });

  test.each<[string, string]>([
    ['', 'not JSON'],
    ['{', 'not JSON'],
    ['[]', 'the body is not an object'],
    ['{"series":{}}', 'series is not a list'],
    ['{"series":[3]}', 'series[0] is not an object'],
    ['{"series":[{"labels":[{"name":3}]}]}', 'series[0].labels[0].name is not a string'],
    ['{"series":[{"samples":[{"rawProfile":"###"}]}]}', 'series[0].samples[0].rawProfile is not base64'],
  ])('of JSON %j says what is wrong where', (json, sentence) => {
    expect(() => readPushRequestJson(json)).toThrow(sentence);
  });
});
