import { seededRandom } from '@kiln/async';
import { decodeRecord, PAGE_BYTES, RecordBuilder, SampleSorter } from '@kiln/block';
import type { Profile, TenantId } from '@kiln/model';
import { expect, test, vi } from 'vitest';
import { readTables, type PlainRow } from '../test-support/read-tables.ts';
import { idOf, profileOf, recordOf, type Drawing } from '../test-support/records.ts';
import { nodeCodecs } from '../worker/node-codecs.ts';
import { Head } from './head.ts';

vi.setConfig({ testTimeout: 30_000 });

const ANN = 'ann' as TenantId;
const BOB = 'bob' as TenantId;

function newHead(awake?: number): Head {
  return new Head({ codecs: nodeCodecs, sorter: new SampleSorter(), seed: 12 }, awake);
}

function append(head: Head, tenant: string, drawings: Drawing[], offset: number, kept?: number[][]): void {
  const record = decodeRecord(recordOf(tenant, drawings), nodeCodecs);
  const flags = record.datasets.map(({ profiles }, d) =>
    Uint8Array.from(kept?.[d] ?? Array.from({ length: profiles.length }, () => 1)),
  );
  head.append(record, flags, offset);
}

function rowsOf(head: Head, tenant: TenantId, after = -1): PlainRow[] {
  return [...head.tables(tenant, after)].flatMap(readTables);
}

/** What a head must hold of some drawings: one row per group. */
function expected(drawings: { drawing: Drawing; offset: number }[]): PlainRow[] {
  return drawings.flatMap(({ drawing, offset }) =>
    drawing.groups.map((group) => {
      const types = drawing.types ?? ['cpu:nanoseconds'];
      const samples = Object.fromEntries(
        Object.entries(group.samples).map(([stack, values]) => [stack, values.map(BigInt)]),
      );
      const labels = {
        ...drawing.labels,
        ...group.labels,
        __name__: drawing.name ?? 'process_cpu',
        service_name: drawing.service ?? 'shop',
      };
      return {
        dataset: `${drawing.service ?? 'shop'}/${drawing.name ?? 'process_cpu'}/${types.join()}`,
        labels: Object.entries(labels)
          .toSorted(([a], [b]) => (a < b ? -1 : 1))
          .map(([name, value]) => `${name}=${value}`)
          .join(),
        timeMs: drawing.timeMs ?? 1_700_000_000_000,
        id: Buffer.from(idOf(drawing.id).subarray(0, 8)).toString('hex'),
        offset,
        totals: types.map((_, t) => Object.values(samples).reduce((sum, values) => sum + values[t]!, 0n)),
        samples,
        spans: Object.entries(group.spans ?? {}).map(([stack, span]) => `${stack} ${span} ${samples[stack]!.join()}`),
      };
    }),
  );
}

function byIdentity(rows: PlainRow[]): PlainRow[] {
  const key = (row: PlainRow): string => `${row.dataset} ${String(row.offset).padStart(9)} ${row.id} ${row.labels}`;
  return rows.toSorted((a, b) => (key(a) < key(b) ? -1 : 1));
}

/** Seeded drawings over a few services, type sets, label sets and a shared pool of stacks. */
function draw(seed: number, count: number): Drawing[] {
  const random = seededRandom(seed);
  const pick = (n: number): number => Math.floor(random() * n);
  return Array.from({ length: count }, (_, i) => {
    const types = [['cpu:nanoseconds'], ['samples:count', 'cpu:nanoseconds'], ['alloc:bytes']][pick(3)]!;
    const big = pick(20) === 0;
    return {
      id: `${seed}-${i}`,
      service: `service-${pick(3)}`,
      types,
      timeMs: 1_700_000_000_000 + pick(100_000),
      labels: { pod: `pod-${pick(4)}` },
      groups: Array.from({ length: 1 + pick(2) }, (_unused, g) => {
        const stacks = Array.from({ length: 1 + pick(30) }, () => `main;f${pick(9)};g${pick(9)};h${pick(9)}`);
        const samples = Object.fromEntries(
          stacks.map((stack) => [stack, types.map(() => (big ? 2n ** 55n + BigInt(pick(1000)) : 1 + pick(1000)))]),
        );
        return {
          labels: { group: `${g}` },
          samples,
          ...(pick(4) === 0 ? { spans: { [stacks[0]!]: BigInt(i + 1) } } : {}),
        };
      }),
    };
  });
}

test.each([undefined, 0, 3])(
  'every row comes out as it went in: series, ids, totals, samples, spans (%s awake)',
  (awake) => {
    const head = newHead(awake);
    const all: { drawing: Drawing; offset: number }[] = [];
    for (let offset = 0; offset < 60; offset++) {
      const batch = draw(offset, 4);
      append(head, 'ann', batch, offset);
      all.push(...batch.map((drawing) => ({ drawing, offset })));
    }
    expect(byIdentity(rowsOf(head, ANN))).toEqual(byIdentity(expected(all)));
    expect(head.rows).toBe(expected(all).length);
  },
);

test('stacks that are equal under two numbers of a record are one sample, summed exactly', () => {
  const drawing: Drawing = {
    id: 'twice',
    groups: [{ samples: { 'main;f;g': [2n ** 52n - 1n], 'main;f': [3n] }, spans: { 'main;f;g': 78n, 'main;f': 77n } }],
  };
  const head = newHead();
  const builder = new RecordBuilder({ tenant: ANN, receivedMs: 1, windowMs: 60_000 });
  builder.add(withEverySymbolTwice(profileOf(drawing)), idOf('twice'));
  head.append(decodeRecord(builder.finish(nodeCodecs), nodeCodecs), [Uint8Array.of(1)], 0);
  const doubled = { ...drawing.groups[0]!, samples: { 'main;f;g': [2n ** 53n - 2n], 'main;f': [6n] } };
  const [row, ...others] = rowsOf(head, ANN);
  const [want] = expected([{ drawing: { ...drawing, groups: [doubled] }, offset: 0 }]);
  expect([row, others]).toEqual([{ ...want, spans: [`main;f;g 78 ${2n ** 53n - 2n}`, 'main;f 77 6'] }, []]);
  expect([...head.tables(ANN)][0]!.symbols.stacks.length).toBe(2);
});

/** Every table with a second copy of its rows behind the first, and every sample once by the one and once by the other, those of spans too. */
function withEverySymbolTwice(profile: Profile): Profile {
  const { strings, functions, mappings, locations, tree, stacks } = profile.symbols;
  const twice = (column: Uint32Array, length: number, step: number, from = 0): Uint32Array =>
    Uint32Array.from({ length: 2 * length - from }, (_, i) =>
      i < length ? column[i]! : column[i - length + from]! + step,
    );
  const numbers = (column: Float64Array, length: number): Float64Array =>
    Float64Array.from({ length: 2 * length }, (_, i) => column[i % length]!);
  const text = strings.bytes.slice(0, strings.offsets[strings.length]);
  const lines = locations.lineStart[locations.length]!;
  const nodes = tree.length - 1;
  const { length: f } = functions;
  const { length: l } = locations;
  return {
    ...profile,
    symbols: {
      strings: {
        length: strings.length * 2 - 1,
        bytes: Uint8Array.from([...text, ...text]),
        offsets: Uint32Array.from([
          ...strings.offsets.subarray(0, strings.length + 1),
          ...strings.offsets.subarray(2, strings.length + 1).map((end) => end + text.length),
        ]),
      },
      functions: {
        length: f * 2,
        name: twice(functions.name, f, strings.length - 1),
        systemName: twice(functions.systemName, f, strings.length - 1),
        fileName: twice(functions.fileName, f, strings.length - 1),
        startLine: numbers(functions.startLine, f),
      },
      mappings,
      locations: {
        length: l * 2,
        mapping: twice(locations.mapping, l, 0),
        addressLo: twice(locations.addressLo, l, 0),
        addressHi: twice(locations.addressHi, l, 0),
        lineStart: twice(locations.lineStart, l + 1, lines, 1),
        lineFunction: twice(locations.lineFunction, lines, f),
        lineNumber: numbers(locations.lineNumber, lines),
      },
      tree: {
        length: 1 + nodes * 2,
        parent: twice(tree.parent, 1 + nodes, nodes, 1).map((parent, node) =>
          parent === nodes && node > nodes ? 0 : parent,
        ),
        location: twice(tree.location, 1 + nodes, l, 1),
      },
      stacks: { length: stacks.length * 2, node: twice(stacks.node, stacks.length, nodes) },
    },
    groups: profile.groups.map(({ series, length, stack, values, spans }) => ({
      series,
      length: length * 2,
      stack: twice(stack, length, stacks.length),
      values: values.map(({ lo, hi }) => ({ lo: numbers(lo, length), hi: hi && numbers(hi, length) })),
      spans: spans && {
        length: spans.length * 2,
        stack: twice(spans.stack, spans.length, stacks.length),
        spanId: BigUint64Array.of(...spans.spanId.subarray(0, spans.length), ...spans.spanId.subarray(0, spans.length)),
        traceIdHi: new BigUint64Array(spans.length * 2),
        traceIdLo: new BigUint64Array(spans.length * 2),
        values: spans.values.map(({ lo, hi }) => ({
          lo: numbers(lo, spans.length),
          hi: hi && numbers(hi, spans.length),
        })),
      },
    })),
  };
}

test('rows above an offset are exactly those, wherever it falls, sealed pages included', () => {
  const head = newHead();
  const all: { drawing: Drawing; offset: number }[] = [];
  for (let offset = 10; offset < 17; offset++) {
    const samples: Record<string, number[]> = {};
    for (let i = 0; i < 14_000; i++) samples[`main;f${i}`] = [((i * 7919 + offset) % 5000) + 200_000 * (i % 3)];
    const drawing: Drawing = {
      id: `${offset}`,
      labels: { pod: `${offset % 3}` },
      groups: [{ samples, spans: { 'main;f3': 9n } }],
    };
    append(head, 'ann', [drawing], offset);
    all.push({ drawing, offset });
  }
  expect([...head.tables(ANN)][0]!.pages.length).toBeGreaterThan(1);
  expect([...head.tables(ANN)][0]!.pages[0]!.bytes.length).toBeGreaterThanOrEqual(PAGE_BYTES);
  for (const after of [9, 12, 15, 16]) {
    const want = expected(all.filter(({ offset }) => offset > after));
    expect(byIdentity(rowsOf(head, ANN, after))).toEqual(byIdentity(want));
    for (const { minMs, maxMs, series } of head.tables(ANN, after)) {
      expect([minMs, maxMs]).toEqual([1_700_000_000_000, 1_700_000_000_000]);
      expect(series.length).toBe(new Set(want.map(({ labels }) => labels)).size);
    }
  }
});

test('copies leave no row and no symbol', () => {
  const head = newHead();
  const one = { id: '1', groups: [{ samples: { 'main;one': [1] } }] };
  const two = { id: '2', groups: [{ samples: { 'main;two': [2] } }] };
  append(head, 'ann', [one, two], 0, [[1, 0]]);
  append(head, 'ann', [two], 1, [[0]]);
  expect(byIdentity(rowsOf(head, ANN))).toEqual(expected([{ drawing: one, offset: 0 }]));
  const [tables] = head.tables(ANN);
  expect(Buffer.from(tables!.symbols.strings.bytes).toString()).not.toContain('two');
});

test('two tenants share nothing', () => {
  const head = newHead();
  append(head, 'ann', [{ id: '1', groups: [{ samples: { 'main;annmark': [1] } }] }], 0);
  append(head, 'bob', [{ id: '1', groups: [{ samples: { 'main;bobmark': [2] } }] }], 1);
  expect(Object.keys(rowsOf(head, ANN)[0]!.samples)).toEqual(['main;annmark']);
  expect(Object.keys(rowsOf(head, BOB)[0]!.samples)).toEqual(['main;bobmark']);
  const [tables] = head.tables(BOB);
  expect(Buffer.from(tables!.symbols.strings.bytes).toString()).not.toContain('annmark');
  expect(rowsOf(head, 'eve' as TenantId)).toEqual([]);
});

test('a snapshot does not change while rows come', () => {
  const head = newHead();
  const batch = draw(5, 30);
  append(head, 'ann', batch, 0);
  const snapshot = [...head.tables(ANN)];
  const before = snapshot.flatMap(readTables);
  for (let offset = 1; offset < 40; offset++) append(head, 'ann', draw(5 + offset, 30), offset);
  expect(snapshot.flatMap(readTables)).toEqual(before);
});

test('one profile of 50 samples takes at most 8 KB, symbols included', () => {
  const head = newHead();
  const samples: Record<string, number[]> = {};
  for (let i = 0; i < 50; i++) samples[`main;run;f${i % 5};g${i % 10}${i < 25 ? '' : `;h${i % 5}`}`] = [10_000_000 * i];
  for (let i = 0; i < 25; i++) samples[`main;f${i % 5};g${i % 10};h${i % 3}`] = [10_000_000 * i];
  append(head, 'ann', [{ id: '1', labels: { pod: 'a' }, groups: [{ samples }] }], 0);
  expect(head.byteLength).toBeLessThanOrEqual(8192);
});

test('datasets that one record has come for rest in a fifth of the bytes, and wake for the next; no answer tells', () => {
  const [resting, waking] = [newHead(0), newHead()];
  const all: { drawing: Drawing; offset: number }[] = [];
  const pushEach = (offset: number, services: number): void => {
    for (let i = 0; i < services; i++) {
      const samples: Record<string, number[]> = {};
      for (let s = 0; s < 50; s++) samples[`main;run;step${s % 7};service${i}.f${s}`] = [s + 1 + offset];
      const groups = [{ samples, spans: { [`main;run;step3;service${i}.f3`]: 9n } }];
      const drawing: Drawing = { id: `${offset}-${i}`, service: `service-${i}`, labels: { pod: `${i}` }, groups };
      for (const head of [resting, waking]) append(head, 'ann', [drawing], offset);
      all.push({ drawing, offset });
    }
  };
  pushEach(0, 60);
  expect(resting.byteLength / 60).toBeLessThan(4_096);
  expect(resting.byteLength).toBeLessThan(waking.byteLength / 3);
  const snapshot = [...resting.tables(ANN)];
  pushEach(1, 30);
  expect(byIdentity(rowsOf(resting, ANN))).toEqual(byIdentity(expected(all)));
  expect(byIdentity(rowsOf(resting, ANN, 0))).toEqual(byIdentity(expected(all.filter(({ offset }) => offset > 0))));
  expect(byIdentity(snapshot.flatMap(readTables))).toEqual(
    byIdentity(expected(all.filter(({ offset }) => offset === 0))),
  );
  pushEach(2, 60);
  expect(byIdentity(rowsOf(resting, ANN))).toEqual(byIdentity(expected(all)));
  // All are awake now, and what was counted for the others has gone.
  expect(Math.abs(resting.byteLength - waking.byteLength)).toBeLessThan(waking.byteLength * 0.05);
  expect(Math.abs(resting.segmentBytes - waking.segmentBytes)).toBeLessThan(waking.segmentBytes * 0.2);
});
