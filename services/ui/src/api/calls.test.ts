import { afterEach, expect, it, vi } from 'vitest';
import { askKinds } from './calls.ts';
import { Client } from './client.ts';

afterEach(() => vi.unstubAllGlobals());

const CPU = 'process_cpu:cpu:nanoseconds:cpu:nanoseconds';
const ODD = 'process_cpu:cpu:nanoseconds::nanoseconds';

it('of the kinds that a selector matches those that most services send come first', async () => {
  const sent = [
    ['a', ODD],
    ['b', CPU],
    ['c', CPU],
    ['c', 'memory:inuse_space:bytes:space:bytes'],
  ] as const;
  const labelsSet = sent.map(([service, kind]) => ({
    labels: [
      { name: '__profile_type__', value: kind },
      { name: 'service_name', value: service },
    ],
  }));
  vi.stubGlobal('fetch', async () => Response.json({ labelsSet }));
  const client = new Client('http://kiln.test/', '', { reached: () => {}, troubled: () => {} });
  const answer = await askKinds(client, '{}', { fromMs: 0, untilMs: 1 }, new AbortController().signal);
  expect(answer).toMatchObject({ value: [CPU, 'memory:inuse_space:bytes:space:bytes', ODD] });
});
