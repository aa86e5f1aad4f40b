import { decodeRecord, openPart, RecordBuilder, writeSegment, type Codecs, type DatasetTables } from '@kiln/block';
import { decodePprof, normalizePprof } from '@kiln/formats';
import { exactToBigInt, KilnError, type LogId, type TenantId } from '@kiln/model';
import { finishQuery, mergePartials, runQuery, type Query, type ResultOf } from '@kiln/query';
import { createHash } from 'node:crypto';
import { constants, crc32, gunzipSync, zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import { Head } from '../../services/ingester/src/head/head.ts';
import { SampleSorter } from '@kiln/block';
import { fixtures, RECEIVED_MS } from '../fixtures/pprof/fixtures.ts';
import { difference, limits, oracleOutcome, productOutcome, stackTexts } from '../fuzz/compare-profile.ts';
import { Oracle, type OracleQuery } from '../oracle/index.ts';
import { compareMethodsInProcess, type AskPartial } from './in-process-methods.ts';
import { corpus } from '../support/corpus.ts';
import { drawnPprof } from '../support/profile-builder.ts';

const TENANT = 'in-process' as TenantId;
const range = { startMs: RECEIVED_MS - 120_000, endMs: RECEIVED_MS + 1_000 };

const codecs: Codecs = {
  crc32: (bytes, seed = 0) => crc32(bytes, seed),
  zstdCompress: (bytes) => zstdCompressSync(bytes, { params: { [constants.ZSTD_c_compressionLevel]: 1 } }),
  zstdDecompress: (bytes, maxLength) => zstdDecompressSync(bytes, { maxOutputLength: Math.max(1, maxLength) }),
};

interface Push {
  readonly labels: readonly (readonly [string, string])[];
  readonly pprof: Uint8Array;
}

/**
 * The product without its services, decode → normalise → record → head and segment → query, against the oracle. Half of the profiles lie in a head,
 * half in a segment that was read back.
 * @param enough differences after which no more is compared.
 * @returns the first differences, as sentences
 */
export function compareInProcess(enough = 5): string[] {
  const oracle = new Oracle();
  const wrong: string[] = [];
  const halves = [newHead(), newHead()];
  let offset = 0;
  for (const { labels, pprof } of pushes()) {
    if (wrong.length >= enough) return wrong;
    const verdict = oracle.push({ tenant: TENANT, labels, pprofBytes: pprof, receivedMs: RECEIVED_MS });
    const said = 'stored' in verdict ? 'stored' : `${verdict.code} ${verdict.reasons.join('|')}`;
    const found = storeInto(halves[offset % 2]!, { labels, pprof }, offset);
    offset++;
    const input = { bytes: pprof, labels: labels.map(([name, value]) => ({ name, value })), receivedMs: RECEIVED_MS };
    const differs = difference(productOutcome(input), oracleOutcome(input));
    if (differs !== undefined) wrong.push(`profile ${offset}: ${differs}`);
    if (found !== said && !(said.startsWith(found.split(' ')[0]!) && said.includes(found.split(' ')[1] ?? '-'))) {
      wrong.push(`profile ${offset}: ${found}, the oracle says ${said}`);
    }
  }
  const sources = [[...halves[0]!.tables(TENANT)], throughSegment(halves[1]!)];
  const askPartial: AskPartial = (query) =>
    mergePartials(
      query,
      sources.map((datasets) => runQuery(query, datasets)),
    );
  return [...wrong, ...compareAnswers(oracle, askPartial, enough - wrong.length)];
}

function newHead(): Head {
  return new Head({ codecs, sorter: new SampleSorter(), seed: 7 });
}

/** Fixtures, a small fleet, and drawings about what those miss: each pushed once. */
function pushes(): Push[] {
  const labelsOf = (metric: string, service: string): Push['labels'] => [
    ['__name__', metric],
    ['service_name', service],
    ['region', 'eu'],
  ];
  const own = fixtures().map(({ name, metric, bytes }) => ({ labels: labelsOf(metric, name), pprof: bytes }));
  const options = {
    seed: 3,
    services: 2,
    pods: 3,
    intervals: 4,
    heapEvery: 2,
    stacks: 120,
    draws: 300,
    startMs: RECEIVED_MS - 61_000,
  };
  const fleet = [...corpus(options)].map(({ labels, gzip }) => ({ labels, pprof: new Uint8Array(gunzipSync(gzip)) }));
  const at = (ms: number): { timeNanos: bigint } => ({ timeNanos: BigInt(RECEIVED_MS - ms) * 1_000_000n + 999_999n });
  const drawn = [
    ['godeltaprof_memory', 'a;b 3\na 2', at(5_000)],
    ['process_cpu', 'a;b 3 {user=x}\na 2 {user=y}', at(5_000)],
    ['process_cpu', 'a;b 4 {user=x}\na;c 2 {user=z}', at(15_000)],
    ['process_cpu', 'ｆ 1\n\u{1f525} 1\na;c 4503599627370495', at(35_000)],
    ['process_cpu', 'a;c 4503599627370495\nｆ;x 2', at(36_000)],
    ['others', 'b 100\nb;c 50\nb;d 40\nb;other 1\nb;other;y 2\ne 60', at(35_000)],
    ['process_cpu', 'other;x 9\nb;other 1\nb;other;y 2', at(25_000)],
    ['process_cpu', `a;b 5 {${spanOf(1)}}\na;b 3 {${spanOf(2)}}\na 2 {${spanOf(2)}}\nc 7`, at(22_000)],
    ['process_cpu', `a;b 11 {${spanOf(2)}}\nc;a 6 {${spanOf(1)}}\nc 1 {span_id=00000000000000a3}`, at(21_000)],
  ] as const;
  const edges = drawn.map(([metric, drawing, times]) => ({
    labels: labelsOf(metric, 'drawn'),
    pprof: drawnPprof(drawing, times),
  }));
  return [...own, ...fleet, ...edges];
}

/** Labels of a sample: a span, and the trace that it belongs to. */
const spanOf = (n: number): string => `span_id=00000000000000a${n},trace_id=${'0'.repeat(15)}b${'0'.repeat(15)}${n}`;

/** What the product says of a profile; it lies in the head afterwards. */
function storeInto(head: Head, { labels, pprof }: Push, offset: number): string {
  try {
    const pushed = labels.map(([name, value]) => ({ name, value }));
    const { profile } = normalizePprof(decodePprof(pprof), { labels: pushed, limits, receivedMs: RECEIVED_MS });
    if (profile === undefined) return 'stored';
    const builder = new RecordBuilder({ tenant: TENANT, receivedMs: RECEIVED_MS, windowMs: 4_260_000 });
    builder.add(
      profile,
      new Uint8Array(createHash('sha256').update(pprof).update(String(offset)).digest().subarray(0, 16)),
    );
    const record = decodeRecord(builder.finish(codecs), codecs);
    head.append(
      record,
      record.datasets.map(({ profiles }) => new Uint8Array(profiles.length).fill(1)),
      offset,
    );
    return 'stored';
  } catch (error) {
    if (error instanceof KilnError) return `${error.code} ${error.reason ?? ''}`;
    throw error;
  }
}

function throughSegment(head: Head): DatasetTables[] {
  const ids = { length: 0, id: new Uint8Array(0), appendMs: new Float64Array(0), windowMs: new Float64Array(0) };
  const tenants = [{ tenant: TENANT, datasets: head.tables(TENANT) }];
  const content = { logId: '0123-0' as LogId, start: -1, end: 1_000, blockId: new Uint8Array(16), tenants, ids };
  const { bytes, entries } = writeSegment(content, codecs);
  const { off, len } = entries[0]!;
  return openPart(bytes.slice(off, off + len), TENANT, codecs).datasets.map((dataset) => dataset.tables());
}

function compareAnswers(oracle: Oracle, askPartial: AskPartial, enough: number): string[] {
  const ask = <Q extends Query>(query: Q): ResultOf[Q['kind']] => finishQuery(query, askPartial(query));
  const wrong: string[] = [];
  const check = (what: string, got: () => unknown, want: () => unknown): void => {
    if (wrong.length >= enough) return;
    const [a, b] = [text(got), text(want)];
    if (a !== b) wrong.push(`${what}: ${around(a, b)}, the oracle has ${around(b, a)}`);
  };
  const types = oracle.profileTypes(TENANT, range);
  const times = oracle.stored(TENANT).map(({ timeMs }) => timeMs);
  check(
    'profile stats',
    () => ask({ kind: 'profileStats', startMs: Math.min(...times) + 1, endMs: range.endMs }),
    () => ({
      oldestMs: Math.min(...times.filter((time) => time > Math.min(...times))),
      newestMs: Math.max(...times.filter((time) => time <= range.endMs)),
    }),
  );
  check(
    'profile types',
    () => ask({ kind: 'profileTypes', ...range }).map(({ id }) => id),
    () => types,
  );
  for (const utf8 of [true, false]) {
    check(
      'label names',
      () => ask({ kind: 'labelNames', ...range, matchers: [], utf8 }),
      () => oracle.labelNames(TENANT, range, { utf8 }),
    );
  }
  for (const name of ['service_name', 'user', '__profile_type__', '__name_replaced__']) {
    check(
      `values of ${name}`,
      () => ask({ kind: 'labelValues', ...range, matchers: [], name }),
      () => oracle.labelValues(TENANT, range, name),
    );
  }
  const matchers = ['{region="eu",pod!=""}'];
  check(
    'values with a matcher',
    () => ask({ kind: 'labelValues', ...range, matchers, name: 'pod' }),
    () => oracle.labelValues(TENANT, range, 'pod', { matchers }),
  );
  for (const labelNames of [['pod', 'user', '__type__'], []]) {
    check(
      `series of ${labelNames.join()}`,
      () => setsOf(ask({ kind: 'series', ...range, matchers: [], labelNames, utf8: true })),
      () => oracle.series(TENANT, range, { labelNames, utf8: true }),
    );
  }
  const selectors = ['{}', '{region="us"}', '{service_name=~"service-.*",pod!~".*-0"}', '{user=""}', '{user="x"}'];
  for (const profileTypeId of types) {
    for (const selector of selectors) {
      for (const narrow of [range, { startMs: RECEIVED_MS - 46_000, endMs: RECEIVED_MS - 15_000 }]) {
        compareSelection(oracle, ask, check, { ...narrow, profileTypeId, selector });
        if (selector === '{}') {
          const asked = { ...narrow, profileTypeId, selector };
          compareMethodsInProcess(oracle, TENANT, askPartial, check, asked);
        }
      }
    }
  }
  return wrong;
}

function compareSelection(
  oracle: Oracle,
  ask: <Q extends Query>(query: Q) => ResultOf[Q['kind']],
  check: (what: string, got: () => unknown, want: () => unknown) => void,
  asked: OracleQuery,
): void {
  const { startMs, endMs, profileTypeId: profileType, selector } = asked;
  const selected = { startMs, endMs, profileType, selector };
  const what = `${profileType} ${selector} of ${endMs - startMs} ms`;
  for (const maxNodes of [8_192, 12, 3]) {
    check(
      `flame graph ${maxNodes} of ${what}`,
      () => {
        const answer = ask({ kind: 'stacktraces', ...selected, maxNodes, format: 'flamegraph' });
        if (answer.format !== 'flamegraph') return answer.format;
        const { names, levels, total, maxSelf } = answer.flameGraph;
        return { names, levels: levels.map((level) => Array.from(level, BigInt)), total, maxSelf };
      },
      () => oracle.flameGraph(TENANT, { ...asked, maxNodes }),
    );
    check(
      `tree ${maxNodes} of ${what}`,
      () => {
        const answer = ask({ kind: 'stacktraces', ...selected, maxNodes, format: 'tree' });
        return answer.format === 'tree' ? Buffer.from(answer.tree).toString('hex') : answer.format;
      },
      () => Buffer.from(oracle.tree(TENANT, { ...asked, maxNodes }).bytes).toString('hex'),
    );
  }
  check(
    `pprof of ${what}`,
    () => {
      const { symbols, values } = ask({ kind: 'pprof', ...selected, maxNodes: 0 });
      const stackText = stackTexts(symbols);
      const sums = new Map<string, bigint>();
      for (let row = 0; row < symbols.stacks.length; row++) {
        const value = exactToBigInt(values.lo[row]!, values.hi?.[row] ?? 0);
        const key = stackText(row);
        if (value > 0n) sums.set(key, (sums.get(key) ?? 0n) + value);
      }
      return [...sums].toSorted(([a], [b]) => (a < b ? -1 : 1));
    },
    () => oracle.pprof(TENANT, asked).map(({ frames, value }) => [frames.join('\n'), value]),
  );
  for (const [stepSeconds, groupBy, limit] of [
    [10, ['pod', 'user'], 0],
    [7.5, [], 0],
    [15, ['service_name'], 1],
  ] as const) {
    check(
      `series of ${what} by ${groupBy.join()}`,
      () =>
        ask({ kind: 'selectSeries', ...selected, stepMs: stepSeconds * 1_000, groupBy, aggregation: 'sum', limit }).map(
          ({ labels, timeMs, value }) => ({
            labels: labels.map((label) => [label.name, label.value]),
            points: Array.from(timeMs, (timestamp, i) => ({ timestamp, value: value[i] })),
          }),
        ),
      () => oracle.selectSeries(TENANT, { ...asked, stepSeconds, groupBy, limit }),
    );
  }
}

function setsOf(sets: ResultOf['series']): [string, string][][] {
  return sets
    .map((set) => set.map(({ name, value }): [string, string] => [name, value]))
    .toSorted((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1));
}

/** A value as text; an error as its words, since both sides may refuse. */
function text(make: () => unknown): string {
  try {
    return JSON.stringify(make(), (_, value: unknown) => (typeof value === 'bigint' ? `${value}` : value));
  } catch (error) {
    return `${error instanceof Error ? error.name : 'error'}: ${String(error)}`;
  }
}

function around(a: string, b: string): string {
  let at = 0;
  while (at < a.length && a[at] === b[at]) at++;
  return `…${a.slice(Math.max(0, at - 40), at + 80)}`;
}

if (import.meta.main) {
  // For planted faults: noticed is noticed.
  const wrong = compareInProcess(1);
  for (const sentence of wrong) process.stdout.write(`${sentence}\n`);
  process.exitCode = wrong.length === 0 ? 0 : 1;
}
