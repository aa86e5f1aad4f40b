import { expect, test } from 'vitest';
import { exactToBigInt, KilnError } from '@kiln/model';
import { normalizePprof } from '../normalize.ts';
import { checkSymbols } from '../test-support/check-symbols.ts';
import { naiveOutcome } from '../test-support/naive-profile.ts';
import { limits, showStack } from '../test-support/show-profile.ts';
import { Random, randomPprof } from '../test-support/random-pprof.ts';
import { PprofReader } from './decode.ts';

const FILES = process.env['KILN_LONG'] === '1' ? 100_000 : 2_000;
const small = { ...limits, maxStacktraceDepth: 6, rejectOlderThanMs: 0, rejectNewerThanMs: 0 };
const request = {
  labels: [
    { name: '__name__', value: 'n' },
    { name: 'service_name', value: 's' },
  ],
  limits: small,
  receivedMs: 1,
};

/** One reader for all files: what one leaves behind must not show in the next. */
const reader = new PprofReader();

function outcome(bytes: Uint8Array): string {
  try {
    const { profile } = normalizePprof(reader.read(bytes), request);
    if (profile === undefined) return '[]';
    checkSymbols(profile);
    const sums = new Map<string, bigint[]>();
    for (const { series, length, stack, values } of profile.groups) {
      const own = series.filter(({ name }) => name !== '__name__' && name !== 'service_name');
      const labels = JSON.stringify(own.map(({ name, value }) => [name, value]));
      let before = -1;
      for (let i = 0; i < length; i++) {
        expect(stack[i]).toBeGreaterThan(before);
        before = stack[i]!;
        // Stacks that differ in more than names show alike.
        const key = `${labels} ${showStack(profile.symbols, before)}`;
        const row = values.map(({ lo, hi }) => exactToBigInt(lo[i]!, hi?.[i] ?? 0));
        sums.set(
          key,
          row.map((v, t) => v + (sums.get(key)?.[t] ?? 0n)),
        );
      }
    }
    return JSON.stringify([...sums].map(([key, row]) => `${key} ${row.join(' ')}`).sort());
  } catch (error) {
    if (!(error instanceof KilnError)) throw error;
    return error.code === 'out_of_range' ? error.code : error.reason!;
  }
}

test(
  `${FILES} pprofs that no profiler would write mean what protobufjs and the contract say`,
  { timeout: 3_600_000 },
  () => {
    const verdicts = new Map<string, number>();
    for (let file = 0; file < FILES; file++) {
      const bytes = randomPprof(new Random(file));
      const want = naiveOutcome(bytes, small);
      const found = outcome(bytes);
      if (found !== want) expect({ file, found }).toEqual({ file, found: want });
      const verdict = want.startsWith('[') ? (want === '[]' ? 'empty' : 'stored') : want;
      verdicts.set(verdict, (verdicts.get(verdict) ?? 0) + 1);
    }
    // A test that refuses nearly everything would test nothing.
    expect(verdicts.get('stored')! / FILES).toBeGreaterThan(0.5);
    expect(verdicts.get('malformed_profile')! / FILES).toBeGreaterThan(0.1);
    expect(verdicts.get('out_of_range')).toBeGreaterThan(0);
  },
);
