import { gunzipSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { Oracle } from '../oracle/index.ts';
import { corpus } from './corpus.ts';
import { mutatePprof } from './mutate.ts';
import { pprofNesting, readFields, writeFields } from './pprof-tree.ts';
import { seededRandom } from './seeded-random.ts';

const NOW = 1_800_000_000_000;
const options = {
  seed: 7,
  services: 1,
  pods: 2,
  intervals: 2,
  heapEvery: 2,
  stacks: 40,
  draws: 200,
  startMs: NOW - 60_000,
};

test('equal seeds give equal corpora, profile by profile', () => {
  const hash = (): string[] =>
    [...corpus(options)].map(({ gzip, labels }) => `${labels.join()} ${Buffer.from(gzip).toString('base64')}`);
  expect(hash()).toEqual(hash());
  expect(hash()).toHaveLength(6);
});

test('every profile of a corpus is accepted', () => {
  const oracle = new Oracle();
  for (const { labels, gzip } of corpus(options)) {
    expect(oracle.push({ tenant: 't', labels, pprofBytes: gzip, receivedMs: NOW })).toMatchObject({ copy: false });
  }
  expect([...oracle.totals('t').values()].every((total) => total > 0n)).toBe(true);
});

test('rewriting without change gives the same bytes, and at least half of the mutants stay acceptable', () => {
  const profiles = [...corpus(options)].map(({ gzip }) => new Uint8Array(gunzipSync(gzip)));
  for (const bytes of profiles) expect(Buffer.compare(writeFields(readFields(bytes, pprofNesting)), bytes)).toBe(0);
  const random = seededRandom('half');
  let accepted = 0;
  for (let i = 0; i < 300; i++) {
    const { bytes } = mutatePprof(profiles[i % profiles.length]!, random);
    const labels = [
      ['__name__', 'x'],
      ['service_name', 's'],
    ] as const;
    const verdict = new Oracle().push({ tenant: 't', labels, pprofBytes: bytes, receivedMs: NOW });
    if ('stored' in verdict) accepted++;
  }
  expect(accepted).toBeGreaterThan(150);
});
