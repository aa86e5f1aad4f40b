import fc from 'fast-check';
import { describe, expect, it, vi } from 'vitest';
import { joinPprofTypes } from './pprof-types.ts';
import { pprofQueries, type GoPgo, type PprofQuery } from './query.ts';
import { finishQuery } from './run.ts';
import { datasets, profileType, runSpread, spread } from './test-support/arbitrary.ts';
import { cpuDataset, CPU_ID } from './test-support/model.ts';
import { runQuery } from './run.ts';
import { toTables } from './test-support/tables.ts';
import type { StackValues } from './symbol-codec.ts';

vi.setConfig({ testTimeout: 60_000 });

/** Stacks as text, root first, with their values; locations of a stack by ` `, lines of one by `<`, innermost last. */
function stacksOf({ symbols, values }: StackValues): Map<string, bigint> {
  const { strings, functions, mappings, locations, tree, stacks } = symbols;
  const text = (row: number): string =>
    new TextDecoder().decode(strings.bytes.subarray(strings.offsets[row], strings.offsets[row + 1]));
  const found = new Map<string, bigint>();
  for (let stack = 0; stack < stacks.length; stack++) {
    const path: string[] = [];
    for (let node = stacks.node[stack]!; node !== 0; node = tree.parent[node]!) {
      const place = tree.location[node]!;
      const lines: string[] = [];
      for (let line = locations.lineStart[place]!; line < locations.lineStart[place + 1]!; line++)
        lines.unshift(`${text(functions.name[locations.lineFunction[line]!]!)}:${locations.lineNumber[line]}`);
      const address = locations.addressHi[place]! * 2 ** 32 + locations.addressLo[place]!;
      path.unshift(
        lines.length > 0 ? lines.join('<') : `${text(mappings.fileName[locations.mapping[place]!]!)}!${address}`,
      );
    }
    const value = (BigInt(values.hi?.[stack] ?? 0) << 52n) + BigInt(values.lo[stack]!);
    if (value === 0n) continue;
    const key = path.join(' ');
    expect(found.has(key), `${key} twice`).toBe(false);
    found.set(key, value);
  }
  return found;
}

/** As `cutStacks` says, by paths as text. */
function cut(stacks: ReadonlyMap<string, bigint>, maxNodes: number): Map<string, bigint> {
  const totals = new Map<string, bigint>();
  const prefixes = (key: string): string[] => {
    const parts = key === '' ? [] : key.split(' ');
    return parts.map((_, i) => parts.slice(0, i + 1).join(' '));
  };
  for (const [key, value] of stacks)
    for (const prefix of prefixes(key)) totals.set(prefix, (totals.get(prefix) ?? 0n) + value);
  const sorted = [...totals.values()].toSorted((a, b) => (a < b ? 1 : a > b ? -1 : 0));
  const least = maxNodes === 0 || sorted.length <= maxNodes ? 0n : sorted[maxNodes - 1]!;
  const kept = new Map<string, bigint>();
  for (const [key, value] of stacks) {
    const whole = prefixes(key);
    const small = whole.findIndex((prefix) => totals.get(prefix)! < least);
    const shown = small < 0 ? key : [...(small === 0 ? [] : [whole[small - 1]!]), 'other:0'].join(' ');
    kept.set(shown, (kept.get(shown) ?? 0n) + value);
  }
  return kept;
}

describe('a pprof', () => {
  it('is cut after the merge, the rest of what is called from one location being one stack', () => {
    fc.assert(
      fc.property(datasets, profileType, spread, fc.integer({ min: 1, max: 9 }), (list, id, how, maxNodes) => {
        const whole: PprofQuery = {
          kind: 'pprof',
          startMs: 0,
          endMs: 50,
          profileType: id,
          selector: '{}',
          maxNodes: 0,
        };
        const partial = runSpread(whole, list, how);
        const want = cut(stacksOf(finishQuery(whole, partial)), maxNodes);
        expect(stacksOf(finishQuery({ ...whole, maxNodes }, partial))).toEqual(want);
      }),
      { numRuns: 300 },
    );
  });

  it('of several value types is that of each by itself, however rows are spread, over one table of stacks', () => {
    const types = fc.uniqueArray(profileType, { minLength: 1, maxLength: 3 });
    fc.assert(
      fc.property(datasets, types, spread, (list, profileTypes, how) => {
        const range = { startMs: 0, endMs: 50 };
        const query = { kind: 'pprofTypes', ...range, profileTypes, selector: '{}' } as const;
        const results = finishQuery(query, runSpread(query, list, how));
        const want = pprofQueries(query).map((one) => stacksOf(finishQuery(one, runSpread(one, list, how))));
        expect(results.map(stacksOf)).toEqual(want);
        const { symbols, values } = joinPprofTypes(results);
        expect(values.map((one) => stacksOf({ symbols, values: one }))).toEqual(want);
      }),
      { numRuns: 200 },
    );
  });

  const reduced = (samples: Readonly<Record<string, bigint>>, goPgo: GoPgo): Record<string, bigint> => {
    const query: PprofQuery = {
      kind: 'pprof',
      startMs: 0,
      endMs: 2000,
      profileType: CPU_ID,
      selector: '{}',
      maxNodes: 0,
      goPgo,
    };
    return Object.fromEntries(stacksOf(finishQuery(query, runQuery(query, [toTables(cpuDataset(samples))]))));
  };

  it('for PGO keeps the innermost locations, equal stacks becoming one', () => {
    const samples = { 'main;run;work': 3n, 'other;run;work': 4n, work: 1n, 'x;y': 2n };
    expect(reduced(samples, { keepLocations: 2, aggregateCallees: false })).toEqual({
      'run:30 work:40': 7n,
      'work:40': 1n,
      'x:10 y:10': 2n,
    });
    expect(reduced(samples, { keepLocations: 0, aggregateCallees: false })).toMatchObject({
      'main:40 run:30 work:40': 3n,
    });
  });

  it('for PGO leaves out the line of the innermost function alone', () => {
    expect(reduced({ 'main;run|work': 3n, main: 1n }, { keepLocations: 5, aggregateCallees: true })).toEqual({
      'main:40 run:30<work:0': 3n,
      'main:0': 1n,
    });
  });
});
