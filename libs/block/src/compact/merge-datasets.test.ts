import { parseTenantId } from '@kiln/model';
import fc from 'fast-check';
import { describe, expect, test, vi } from 'vitest';
import { writeBlock } from '../block.ts';
import { datasetContent, tablesOf } from '../dataset.test-support.ts';
import { PageRows } from '../page/page-rows.ts';
import { openPart } from '../part.ts';
import type { DatasetTables } from '../tables.ts';
import {
  codecs,
  idOf,
  labelsOf,
  plainProfile,
  plainStackText,
  samplesText,
  spansText,
  type PlainProfile,
} from '../testing.test-support.ts';
import { verifyObject } from '../verify.ts';
import { mergeDatasets, type MergedDatasets } from './merge-datasets.ts';

vi.setConfig({ testTimeout: 60_000 });

const tenant = parseTenantId('a');
const blockId = new Uint8Array(16);
const HOUR = 3_600_000;

/** A push: a profile and the number that its id is made of. */
interface Push {
  readonly profile: PlainProfile;
  readonly id: number;
}

/** What rows are, in no order: one text per row with its window. */
interface Oracle {
  readonly rows: readonly string[];
  readonly copies: number;
  readonly conflicts: number;
}

/**
 * The slow way, from what was pushed: a map of (series, ms, id) to what its rows say. A name with several contents keeps each content once.
 */
/** Windows of one length. */
const every =
  (lengthMs: number) =>
  (timeMs: number): number =>
    Math.floor(timeMs / lengthMs) * lengthMs;

const expected = (pushes: readonly Push[], windowMs: number): Oracle => {
  const contents = new Map<string, Map<string, string>>();
  let copies = 0;
  for (const { profile, id } of pushes)
    for (const { labels, samples, spans } of profile.groups) {
      const start = Math.floor(profile.timeMs / windowMs) * windowMs;
      const sorted = Object.entries(labels).toSorted(([x], [y]) => (x < y ? -1 : 1));
      const name = JSON.stringify([start, sorted, profile.timeMs, [...idOf(id).subarray(0, 8)]]);
      const sums = new Map<string, bigint[]>();
      const totals = profile.types.map(() => 0n);
      for (const { stack, values } of samples) {
        const sum = sums.get(plainStackText(stack)) ?? profile.types.map(() => 0n);
        sums.set(
          plainStackText(stack),
          sum.map((value, t) => value + values[t]!),
        );
        values.forEach((value, t) => (totals[t]! += value));
      }
      const own = contents.get(name) ?? new Map<string, string>();
      contents.set(name, own);
      if (own.has(totals.join())) copies++;
      else
        own.set(
          totals.join(),
          JSON.stringify([
            [...sums].map(([stack, values]) => `${stack} = ${values.join(',')}`).toSorted(),
            spans
              .map((span) => `${span.span} ${span.trace} ${plainStackText(span.stack)} = ${span.values.join(',')}`)
              .toSorted(),
          ]),
        );
    }
  const rows = [...contents].flatMap(([name, own]) => [...own].map(([totals, text]) => `${name} ${totals} ${text}`));
  return {
    rows: rows.toSorted(),
    copies,
    conflicts: [...contents.values()].reduce((sum, own) => sum + own.size - 1, 0),
  };
};

/** What a merge says, in the words of the oracle. */
const found = ({ windows, copies, conflicts }: MergedDatasets): Oracle => {
  const texts: string[] = [];
  for (const [start, { series, rows, pages, symbols, spans, types }] of windows) {
    const spanTexts = Map.groupBy(spansText(symbols, spans), (text) => Number(text.slice(0, text.indexOf(':'))));
    for (const page of pages) {
      const samples = new PageRows(page, types.length, symbols.stacks.length);
      for (let row = page.firstRow; samples.next(); row++) {
        const sorted = Object.entries(labelsOf(series[rows.series[row]!]!));
        const id = [...rows.id.subarray(row * 8, row * 8 + 8)];
        const totals = rows.totals.map(({ lo, hi }) => BigInt(hi?.[row] ?? 0) * 2n ** 52n + BigInt(lo[row]!));
        const own = (spanTexts.get(row) ?? []).map((text) => text.slice(text.indexOf(':') + 2)).toSorted();
        texts.push(
          `${JSON.stringify([start, sorted, rows.timeMs[row], id])} ${totals.join()} ${JSON.stringify([samplesText(symbols, samples), own])}`,
        );
      }
    }
  }
  return { rows: texts.toSorted(), copies, conflicts };
};

const sourcesOf = (groups: readonly (readonly Push[])[], pageRows: number): DatasetTables[] =>
  groups.flatMap((pushes) =>
    tablesOf(
      pushes.map(({ profile }) => profile),
      pageRows,
      (i) => idOf(pushes[i]!.id),
    ),
  );

/** What no row holds is refused before it is one. */
const isARow = ({ types, groups }: PlainProfile): boolean =>
  groups.every(({ samples, spans }) =>
    types.every((_, t) => [...samples, ...spans].reduce((sum, { values }) => sum + values[t]!, 0n) < 2n ** 64n),
  );

const pushes = (types: readonly string[]): fc.Arbitrary<Push[]> =>
  fc.array(
    fc.record({
      id: fc.nat(1),
      profile: fc
        .tuple(plainProfile(types).filter(isARow), fc.constantFrom(0, HOUR - 1, HOUR, -1))
        .map(([profile, timeMs]) => ({ ...profile, service: 'api', name: 'cpu', timeMs })),
    }),
    { maxLength: 6 },
  );

describe('a merge', { timeout: 60_000 }, () => {
  test('holds each row once in its window, exactly as it was', () => {
    let copies = 0;
    let conflicts = 0;
    fc.assert(
      fc.property(
        fc
          .constantFrom(['cpu'], ['samples', 'cpu'])
          .chain((types) => fc.array(pushes(types), { minLength: 1, maxLength: 4 })),
        fc.integer({ min: 1, max: 4 }),
        fc.boolean(),
        (groups, pageRows, again) => {
          const all = again ? [...groups, ...groups] : groups;
          const merged = mergeDatasets(sourcesOf(all, pageRows), every(HOUR), 7, codecs);
          const want = expected(all.flat(), HOUR);
          expect(found(merged)).toEqual(want);
          copies += want.copies;
          conflicts += want.conflicts;
        },
      ),
      { numRuns: 150 },
    );
    expect(Math.min(copies, conflicts)).toBeGreaterThan(10);
  });

  test('is a block that verifies, reads back the same, and merges on', () => {
    fc.assert(
      fc.property(fc.array(pushes(['samples', 'cpu']), { minLength: 1, maxLength: 3 }), (groups) => {
        const hours = mergeDatasets(sourcesOf(groups, 2), every(HOUR), 7, codecs);
        const stored = [...hours.windows.values()].map((tables) => {
          const { bytes, entry } = writeBlock({ level: 1, blockId, tenant, datasets: [tables] }, codecs);
          expect(verifyObject(bytes, codecs)).toEqual([]);
          expect(entry).toMatchObject({ tenant, rows: tables.rows.length, minMs: tables.minMs, maxMs: tables.maxMs });
          const [dataset] = openPart(bytes.subarray(entry.off, entry.off + entry.len), tenant, codecs).datasets;
          expect(datasetContent(dataset!.tables())).toEqual(datasetContent(tables));
          return dataset!.tables();
        });
        if (stored.length === 0) return;
        const days = mergeDatasets([...stored, ...stored], every(24 * HOUR), 8, codecs);
        const want = expected(groups.flat(), 24 * HOUR);
        expect(found(days)).toEqual({ ...want, copies: stored.reduce((sum, { rows }) => sum + rows.length, 0) });
      }),
      { numRuns: 150 },
    );
  });

  test('does not depend on the order of its sources', () => {
    fc.assert(
      fc.property(fc.array(pushes(['samples', 'cpu']), { minLength: 2, maxLength: 4 }), (groups) => {
        // An id of its own for each content, as the distributor makes them; the first source comes twice.
        const own = groups.map((group, g) => group.map(({ profile }, i) => ({ profile, id: g * 100 + i })));
        const sources = sourcesOf([...own, own[0]!], 3);
        const bytesOf = (ordered: readonly DatasetTables[]): unknown =>
          [...mergeDatasets(ordered, every(HOUR), 7, codecs).windows].map(([start, tables]) => [
            start,
            datasetContent(tables),
          ]);
        expect(bytesOf(sources.toReversed())).toEqual(bytesOf(sources));
      }),
      { numRuns: 100 },
    );
  });

  test('numbers stacks from the most used one on, series in order, and keeps no symbol that no row uses', () => {
    const stack = (fn: string) => [{ binary: 'b', address: 0n, lines: [{ fn, file: '', line: 1 }] }];
    const profile = (timeMs: number, pod: string, fns: readonly string[]): PlainProfile => ({
      service: 'api',
      name: 'cpu',
      types: ['cpu'],
      timeMs,
      groups: [{ labels: { pod }, samples: fns.map((fn) => ({ stack: stack(fn), values: [1n] })), spans: [] }],
    });
    const sources = sourcesOf(
      [
        [{ id: 1, profile: profile(5, 'z', ['rare', 'some', 'most']) }],
        [{ id: 2, profile: profile(6, 'a', ['most']) }],
        [{ id: 3, profile: profile(7, 'a', ['some', 'most']) }],
        [{ id: 4, profile: profile(2 * HOUR, 'm', ['later']) }],
      ],
      1,
    );
    const [first, second] = [...mergeDatasets(sources, every(HOUR), 7, codecs).windows.values()];
    const names = ({ symbols: { strings } }: DatasetTables): string =>
      new TextDecoder().decode(strings.bytes.subarray(0, strings.offsets[strings.length]));
    const rows = new PageRows(first!.pages[0]!, 1);
    const stacks: number[][] = [];
    while (rows.next()) stacks.push([...rows.stack.subarray(0, rows.length)]);
    expect(stacks).toEqual([[0], [0, 1], [0, 1, 2]]);
    expect(first!.series.map(labelsOf)).toEqual([{ pod: 'a' }, { pod: 'z' }]);
    expect(names(first!)).not.toContain('later');
    expect(names(second!)).not.toMatch(/most|some|rare/);
  });

  test('sorts rows by hour, then by series, then by time', () => {
    const profile = (timeMs: number, pod: string): PlainProfile => ({
      service: 'api',
      name: 'cpu',
      types: ['cpu'],
      timeMs,
      groups: [{ labels: { pod }, samples: [{ stack: [], values: [1n] }], spans: [] }],
    });
    const pods = ['b', 'a'];
    const times = [2 * HOUR, HOUR + 5, HOUR, HOUR - 1, 0];
    const sent = pods.flatMap((pod, i) =>
      times.map((timeMs, j) => ({ id: i * 10 + j, profile: profile(timeMs, pod) })),
    );
    const [day] = [...mergeDatasets(sourcesOf([sent], 3), every(24 * HOUR), 7, codecs).windows.values()];
    const { series, rows } = day!;
    const lies = Array.from(rows.timeMs, (timeMs, row) => `${labelsOf(series[rows.series[row]!]!)['pod']} ${timeMs}`);
    const hour = (from: readonly number[]): string[] => ['a', 'b'].flatMap((pod) => from.map((ms) => `${pod} ${ms}`));
    expect(lies).toEqual([...hour([0, HOUR - 1]), ...hour([HOUR, HOUR + 5]), ...hour([2 * HOUR])]);
  });

  test('of value types in another order puts each value where its type is', () => {
    const profile = (types: string[], values: bigint[], timeMs: number): PlainProfile => ({
      service: 'api',
      name: 'cpu',
      types,
      timeMs,
      groups: [{ labels: {}, samples: [{ stack: [], values }], spans: [] }],
    });
    const [one] = tablesOf([profile(['samples', 'cpu'], [1n, 2n ** 60n], 1)], 1);
    const [other] = tablesOf([profile(['cpu', 'samples'], [50n, 3n], 2)], 1);
    const [merged] = mergeDatasets([one!, other!], every(HOUR), 7, codecs).windows.values();
    expect(merged!.types.map(({ type }) => type)).toEqual(['samples', 'cpu']);
    expect(merged!.rows.totals.map(({ lo }) => [...lo])).toEqual([
      [1, 3],
      [0, 50],
    ]);
    expect(merged!.rows.totals[1]!.hi).toEqual(Float64Array.of(256, 0));
    const [wrong] = tablesOf([profile(['cpu'], [50n], 2)], 1);
    expect(() => mergeDatasets([one!, wrong!], every(HOUR), 7, codecs)).toThrow(/cannot be merged/);
  });

  test('of a segment that is damaged is an error', () => {
    const [source] = sourcesOf(
      [
        [
          {
            id: 1,
            profile: {
              service: 'api',
              name: 'cpu',
              types: ['cpu'],
              timeMs: 1,
              groups: [{ labels: {}, samples: [{ stack: [], values: [5n] }], spans: [] }],
            },
          },
        ],
      ],
      1,
    );
    const page = source!.pages[0]!;
    const bytes = page.bytes.slice();
    bytes[bytes.length - 1]! |= 128;
    expect(() => mergeDatasets([{ ...source!, pages: [{ ...page, bytes }] }], every(HOUR), 7, codecs)).toThrow('page');
    expect(() => mergeDatasets([{ ...source!, pages: [] }], every(HOUR), 7, codecs)).toThrow('pages that do not have');
    expect(mergeDatasets([], every(HOUR), 7, codecs).windows.size).toBe(0);
  });
});

describe('a block', () => {
  const [source] = tablesOf(
    [
      { service: 's', name: 'n', types: ['cpu'], timeMs: 5, groups: [] },
      ...[3, 1].map((timeMs) => ({
        service: 's',
        name: 'n',
        types: ['cpu'],
        timeMs,
        groups: [{ labels: { pod: 'a' }, samples: [{ stack: [], values: [5n] }], spans: [] }],
      })),
    ],
    4,
  );

  test('takes no log offsets and at least one row', () => {
    expect(() => writeBlock({ level: 1, blockId, tenant, datasets: [source!] }, codecs)).toThrow('no log offset');
    expect(() => writeBlock({ level: 1, blockId, tenant, datasets: [] }, codecs)).toThrow('a block needs rows');
  });

  test('with rows out of order, or a copy, does not verify', () => {
    const rows = { ...source!.rows, offset: undefined };
    const twice = { ...source!, maxMs: HOUR, series: [...source!.series, ...source!.series] };
    const problems = (changed: typeof rows): string[] =>
      verifyObject(
        writeBlock({ level: 2, blockId, tenant, datasets: [{ ...twice, rows: changed }] }, codecs).bytes,
        codecs,
      ).map(({ found: problem }) => problem);
    expect(problems(rows)).toEqual(['row 1 belongs before row 0']);
    // By hour before by series.
    const series = Uint32Array.of(1, 0);
    expect(problems({ ...rows, series, timeMs: Float64Array.of(1, HOUR) })).toEqual([]);
    expect(problems({ ...rows, series, timeMs: Float64Array.of(1, HOUR - 1) })).toEqual(['row 1 belongs before row 0']);
    const timeMs = Float64Array.of(3, 3);
    expect(problems({ ...rows, timeMs })).toEqual([]);
    expect(problems({ ...rows, timeMs, id: new Uint8Array(16) })).toEqual(['row 1 is a copy of row 0']);
  });
});
