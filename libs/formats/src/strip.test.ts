import { expect, it } from 'vitest';
import { normalizePprof } from './normalize.ts';
import { decodePprof } from './pprof/decode.ts';
import { stripPprof } from './strip.ts';
import { draw, encodeMessage } from './test-support/pprof-message.ts';
import { limits, show } from './test-support/show-profile.ts';

const labels = [
  { name: '__name__', value: 'process_cpu' },
  { name: 'service_name', value: 'shop' },
];

function stripped(lines: string[]): ReturnType<typeof normalizePprof> {
  const message = draw(['samples/count', 'cpu/nanoseconds'], lines);
  const key = message.stringTable!.push('team') - 1;
  for (const [i, sample] of message.sample!.entries())
    sample.label = [{ key, str: message.stringTable!.push(`t${i}`) - 1 }];
  return normalizePprof(stripPprof(decodePprof(encodeMessage(message))), { labels, limits, receivedMs: 1 });
}

it('a stripped profile is one sample with the exact sums, without stacks, symbols and labels of samples', () => {
  const { profile } = stripped([`a;b 1 ${2n ** 52n - 1n}`, `a 2 ${2n ** 53n}`, 'c 3 1', 'd -1 5', 'e 0 0']);
  expect(show(profile!)).toEqual({ '__name__=process_cpu,service_name=shop': [` 6 ${2n ** 53n + 2n ** 52n}`] });
  const { functions, locations, mappings } = profile!.symbols;
  expect([functions.length, locations.length, mappings.length]).toEqual([0, 0, 0]);
});

it('nothing that has a value leaves nothing to store', () => {
  expect(stripped(['a 0 0', 'b -1 0']).profile).toBeUndefined();
});
