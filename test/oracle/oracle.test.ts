import { globSync, readFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { drawnPprof } from '../support/profile-builder.ts';
import { decodeFlameGraph, decodeTree, encodeTree, Oracle, readPprof, stacksOfAnswer, treeStacks } from './index.ts';
import { knownFields } from './wire.ts';
import { parseIngestName, parseTimeText, ingestMetricName } from './ingest-form.ts';
import { parseSelector } from './selector.ts';

const NOW = 1_800_000_000_123;
const nowNanos = BigInt(NOW) * 1_000_000n + 5n;
const all = { startMs: NOW - 1_000, endMs: NOW + 1_000 };
const labels = [
  ['__name__', 'process_cpu'],
  ['service_name', 'shop'],
] as const;
const cpu = { ...all, profileTypeId: 'process_cpu:cpu:nanoseconds::', selector: '{}' };

function pushed(
  drawing: string,
  options: Parameters<typeof drawnPprof>[1] = {},
): { oracle: Oracle; verdict: ReturnType<Oracle['push']> } {
  const oracle = new Oracle();
  const verdict = oracle.push({
    tenant: 't',
    labels,
    pprofBytes: drawnPprof(drawing, { timeNanos: nowNanos, ...options }),
    receivedMs: NOW,
  });
  return { oracle, verdict };
}

test('the oracle imports nothing of the product', () => {
  const files = globSync(`${import.meta.dirname}/*.ts`).filter((file) => !file.endsWith('.test.ts'));
  expect(files.length).toBeGreaterThan(5);
  const importing =
    /^(?:import|export)\s+(?:type\s+)?(?:\{[^}]*\}|\*[\w\s]*|\w+)\s+from\s+'([^']+)'|^import\s+'([^']+)'|\bimport\('([^']+)'\)/gm;
  const imports = files.flatMap((file) =>
    [...readFileSync(file, 'utf8').matchAll(importing)].map(([, a, b, c]) => a ?? b ?? c ?? ''),
  );
  expect(imports).toContain('protobufjs');
  const allowed = /^(node:(zlib|crypto)|protobufjs|\.\/[a-z-]+\.ts)$/;
  expect(imports.filter((target) => !allowed.test(target))).toEqual([]);
});

describe('answers', () => {
  test('the drawing of the contract gives the levels of the contract', () => {
    const { oracle, verdict } = pushed('a;b 3\na 2\nc 5');
    expect(verdict).toEqual({ stored: 1, copy: false });
    const graph = oracle.flameGraph('t', cpu);
    expect(graph.names).toEqual(['total', 'c', 'a', 'b']);
    expect(graph.levels).toEqual([
      [0n, 10n, 0n, 0n],
      [0n, 5n, 2n, 2n, 0n, 5n, 5n, 1n],
      [2n, 3n, 3n, 3n],
    ]);
    expect(graph.maxSelf).toBe(5n);
    expect(decodeFlameGraph(graph)).toEqual(
      new Map([
        ['a', 2n],
        ['c', 5n],
        ['a;b', 3n],
      ]),
    );
  });

  test('tree bytes hold the last child first and read back', () => {
    const { oracle } = pushed('a;b 3\na 2\nc 5');
    const { bytes, roots } = oracle.tree('t', cpu);
    expect([...bytes]).toEqual([0, 0, 2, 1, 99, 5, 0, 1, 97, 2, 1, 1, 98, 3, 0]);
    expect(decodeTree(bytes)).toEqual(roots);
    expect(encodeTree([])).toHaveLength(0);
  });

  test('small nodes become other, ties survive, totals stay', () => {
    const { oracle } = pushed('a;x 4\na;y 1\nb 4\nc 1');
    const graph = oracle.flameGraph('t', { ...cpu, maxNodes: 2 });
    expect(decodeFlameGraph(graph)).toEqual(
      new Map([
        ['a;x', 4n],
        ['a;other', 1n],
        ['b', 4n],
        ['other', 1n],
      ]),
    );
    expect(treeStacks(oracle.tree('t', { ...cpu, maxNodes: 1 }).roots)).toEqual(
      new Map([
        ['a;other', 5n],
        ['other', 5n],
      ]),
    );
  });

  test('buckets are right edges, the first reaches one step back', () => {
    const oracle = new Oracle();
    const push = (atMs: number): void =>
      void oracle.push({
        tenant: 't',
        labels,
        pprofBytes: drawnPprof('a 1', { timeNanos: BigInt(atMs) * 1_000_000n + 999_999n }),
        receivedMs: NOW,
      });
    for (const atMs of [NOW - 1_000, NOW - 999, NOW, NOW + 1, NOW + 1_000, NOW + 1_001, NOW + 2_001]) push(atMs);
    const points = oracle.selectSeries('t', {
      ...cpu,
      startMs: NOW,
      endMs: NOW + 2_500,
      stepSeconds: 1,
      groupBy: [],
    })[0]!.points;
    expect(points).toEqual([
      { timestamp: NOW, value: 2 },
      { timestamp: NOW + 1_000, value: 2 },
      { timestamp: NOW + 2_000, value: 1 },
    ]);
  });

  test('label queries name what the server adds', () => {
    const { oracle } = pushed('a 1');
    expect(oracle.labelNames('t', all)).toEqual([
      '__name__',
      '__profile_type__',
      '__service_name__',
      '__type__',
      '__unit__',
      'service_name',
    ]);
    expect(oracle.labelValues('t', all, 'service_name')).toEqual(['shop']);
    expect(oracle.profileTypes('t', all)).toEqual(['process_cpu:cpu:nanoseconds::']);
    expect(oracle.series('t', all, { labelNames: ['service_name'] })).toEqual([[['service_name', 'shop']]]);
    expect(oracle.profileTypes('other', all)).toEqual([]);
  });

  test('a pprof answer of the oracle form equals what was pushed', () => {
    const { oracle } = pushed('a;b 3\na;b 4\nc 5');
    const answer = stacksOfAnswer(drawnPprof('c 5\na;b 7', { timeNanos: nowNanos }));
    expect(oracle.pprof('t', cpu)).toEqual(answer.stacks);
  });
});

describe('samples', () => {
  test('sample labels make series, ids do not', () => {
    const span = '0123456789abcdef';
    const { oracle, verdict } = pushed(`a 1 {user=x}\na 2 {user=y}\nb 4 {profile_id=${span}}`);
    expect(verdict).toEqual({ stored: 3, copy: false });
    expect(oracle.labelValues('t', all, 'user')).toEqual(['x', 'y']);
    expect(oracle.labelNames('t', all)).not.toContain('span_id');
    expect(oracle.flameGraph('t', { ...cpu, selector: '{user="y"}' }).total).toBe(2n);
    expect(oracle.flameGraph('t', { ...cpu, selector: '{user=""}' }).total).toBe(4n);
  });

  test('negative, all-zero and dangling samples vanish, locations without lines are named', () => {
    const { oracle } = pushed('a -1\nb 0\nc;? 9\n[/usr/lib/libc.so]0x1f 8\nd 1');
    expect(decodeFlameGraph(oracle.flameGraph('t', cpu))).toEqual(
      new Map([
        ['libc.so!0x1f', 8n],
        ['d', 1n],
      ]),
    );
  });

  test('Go shapes are cut from names', () => {
    const { oracle } = pushed('main.f[go.shape.struct { a [2]uint8 }].func1@f.go:1 1');
    expect([...decodeFlameGraph(oracle.flameGraph('t', cpu)).keys()]).toEqual(['main.f.func1']);
    const python = pushed('main.f[go.shape.int]@f.py:1 1').oracle;
    expect([...decodeFlameGraph(python.flameGraph('t', cpu)).keys()]).toEqual(['main.f[go.shape.int]']);
  });

  test('a sum beyond int64 is refused', () => {
    expect(pushed(`a ${2n ** 63n - 1n}`).verdict).toEqual({ stored: 1, copy: false });
    expect(pushed(`a ${2n ** 63n - 1n}\nb 1`).verdict).toMatchObject({ status: 400, code: 'out_of_range' });
  });
});

describe('verdicts', () => {
  test('three sends of one sub-second payload count once, whole seconds always', () => {
    const oracle = new Oracle();
    const send = (timeNanos: bigint, receivedMs: number, id?: string): unknown =>
      oracle.push({
        tenant: 't',
        labels,
        pprofBytes: drawnPprof('a 1', { timeNanos }),
        receivedMs,
        ...(id === undefined ? {} : { id }),
      });
    for (let i = 0; i < 3; i++) send(nowNanos, NOW + i);
    expect(oracle.flameGraph('t', cpu).total).toBe(1n);
    const whole = 1_800_000_000_000_000_000n;
    for (let i = 0; i < 3; i++) send(whole, NOW + i);
    expect(oracle.flameGraph('t', cpu).total).toBe(4n);
    for (let i = 0; i < 3; i++) send(whole, NOW + i, 'x');
    expect(oracle.flameGraph('t', cpu).total).toBe(5n);
  });

  test.each([
    ['undecodable', Buffer.from('hello, this is no profile'), 'malformed_profile'],
    ['gzip of nothing', gzipSync(''), 'malformed_profile'],
    ['broken gzip', gzipSync(drawnPprof('a 1')).subarray(0, 40), 'malformed_profile'],
    ['too new', drawnPprof('a 1', { timeNanos: nowNanos + 600_000_000_000n }), 'not_in_ingestion_window'],
    ['dash in a type', drawnPprof('a 1', { types: [['a-b', 'count']] }), 'malformed_profile'],
  ])('%s is refused, 400 on Push and 422 on /ingest', (_, pprofBytes, reason) => {
    const oracle = new Oracle();
    expect(oracle.push({ tenant: 't', labels, pprofBytes, receivedMs: NOW })).toMatchObject({ status: 400, reason });
    const query = { name: 'shop', from: `${NOW}`, format: 'pprof' };
    expect(oracle.ingest({ tenant: 't', query, contentType: '', body: pprofBytes, receivedMs: NOW })).toMatchObject({
      status: 422,
      reason,
    });
  });

  test('nothing and a profile of 1970 are refused on Push only', () => {
    for (const pprofBytes of [new Uint8Array(0), drawnPprof('a 1', { timeNanos: 5n })]) {
      const oracle = new Oracle();
      expect(oracle.push({ tenant: 't', labels, pprofBytes, receivedMs: NOW })).toMatchObject({ status: 400 });
      const query = { name: 'shop', from: `${NOW}`, format: 'pprof' };
      expect(oracle.ingest({ tenant: 't', query, contentType: '', body: pprofBytes, receivedMs: NOW })).toHaveProperty(
        'stored',
      );
    }
  });

  test('labels that contradict each other are refused, copies collapse', () => {
    const push = (extra: [string, string][]): unknown =>
      new Oracle().push({ tenant: 't', labels: [...labels, ...extra], pprofBytes: drawnPprof('a 1'), receivedMs: NOW });
    expect(
      push([
        ['x', '1'],
        ['x', '1'],
      ]),
    ).toMatchObject({ stored: 1 });
    expect(
      push([
        ['x', '1'],
        ['x', '2'],
      ]),
    ).toMatchObject({ status: 400, reason: 'duplicate_label_names' });
    expect(push([['x', 'y'.repeat(2_049)]])).toMatchObject({ reason: 'label_value_too_long' });
    expect(push(Array.from({ length: 29 }, (_, i) => [`l${i}`, '1']))).toMatchObject({
      reason: 'max_label_names_per_series',
    });
  });

  test('bytes that break the wire format are seen where protobufjs is lax', () => {
    expect(() => knownFields(Uint8Array.of(0x12, 0x03, 0x0a, 0x05, 1, 2, 3, 4), { 2: { 1: 'varints' } })).toThrow(
      '5 bytes named',
    );
    expect(() => knownFields(Uint8Array.of(0x00), {})).toThrow('field number 0');
    expect([...knownFields(Uint8Array.of(0x0a, 0x01, 0x05, 0x08, 0x07), { 1: 'varint' })]).toEqual([0x08, 0x07]);
    expect(readPprof(drawnPprof('a 1')).sample).toHaveLength(1);
  });
});

describe('ingest', () => {
  test('names, times and metric names', () => {
    expect(parseIngestName('shop.cart{region=eu west, a.b=c,__x=1,__session_id__=0a,lost}')).toEqual({
      app: 'shop.cart',
      labels: [
        ['region', 'eu west'],
        ['a.b', 'c'],
        ['__session_id__', '0a'],
      ],
    });
    expect(() => parseIngestName('{a=b}')).toThrow('application name');
    expect(() => parseIngestName('a{b=c')).toThrow('label "b" without an end');
    expect(parseTimeText('1800000000', NOW)).toBe(1_800_000_000_000_000_000n);
    expect(parseTimeText('now-1h30m', NOW)).toBe((BigInt(NOW) - 5_400_000n) * 1_000_000n);
    expect(ingestMetricName(['contentions', 'delay'], undefined)).toBe('mutex');
    expect(ingestMetricName(['samples', 'cpu'], undefined)).toBe('process_cpu');
    expect(ingestMetricName(['alloc_objects'], {})).toBe('memory');
  });

  test('selectors', () => {
    expect(parseSelector('{a="b\\"c", "d.e"!~`f.*`}')).toEqual([
      { name: 'a', op: '=', value: 'b"c' },
      { name: 'd.e', op: '!~', value: 'f.*' },
    ]);
    for (const bad of ['', '{', '{a}', '{a="b"} x', '{a="b" c="d"}'])
      expect(() => parseSelector(bad)).toThrow('selector');
  });

  test('multipart parts with a file name are read, the rest is not', () => {
    const oracle = new Oracle();
    const body = Buffer.concat([
      Buffer.from('--B\r\nContent-Disposition: form-data; name="profile"; filename="p"\r\n\r\n'),
      drawnPprof('a 7', { timeNanos: 0n }),
      Buffer.from('\r\n--B\r\nContent-Disposition: form-data; name="note"\r\n\r\nx\r\n--B--\r\n'),
    ]);
    const query = { name: 'shop{env=prod}', from: '1800000000', spyName: 'gospy' };
    expect(
      oracle.ingest({ tenant: 't', query, contentType: 'multipart/form-data; boundary=B', body, receivedMs: NOW }),
    ).toMatchObject({ stored: 1 });
    expect(oracle.labelValues('t', all, 'pyroscope_spy')).toEqual(['gospy']);
    expect(oracle.labelValues('t', all, 'env')).toEqual(['prod']);
    expect(oracle.labelNames('t', all)).not.toContain('__delta__');
  });
});
