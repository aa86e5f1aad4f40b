import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { systemClock } from '@kiln/async';
import { realDisk } from '@kiln/disk';
import { inspectDirectoryStore, openDirectoryStore, type ObjectStore } from '@kiln/objstore';
import { Querier } from '@kiln/querier';
import { finishQuery, type AnswerStats, type Query, type SelectSeriesQuery, type StacktracesQuery } from '@kiln/query';
import { formatDuration } from '@kiln/config';
import { nodeCodecs } from '../../services/ingester/src/worker/node-codecs.ts';
import { interleave, median, WARM_UP } from './measure.ts';
import { tenant } from './pipeline.ts';
import {
  DAY_MS,
  HOUR_MS,
  PROFILE_TYPE,
  START_MS,
  storeRanges,
  type RangeStore,
  type StoredRanges,
} from './range-data.ts';

/** The store of the table in docs/storage.md. */
export const fullRanges: RangeStore = {
  services: [
    { name: 'few', series: 10, everyMs: 300_000, days: 30 },
    { name: 'some', series: 100, everyMs: 300_000, days: 30 },
    { name: 'many', series: 1_000, everyMs: 300_000, days: 30 },
    { name: 'dense', series: 20, everyMs: 15_000, days: 1 },
  ],
  stacks: 6_000,
  draws: 250,
};

/** One question to the store. */
export interface Asked {
  readonly what: string;
  readonly service: string;
  readonly query: StacktracesQuery | SelectSeriesQuery;
  /** CPU, at most; undefined where the design names none. */
  readonly targetMs?: number;
}

/** What its answer took. */
export interface RangeRow extends Asked {
  readonly stats: AnswerStats;
  /** Medians, ms. */
  readonly cpuMs: number;
  readonly wallMs: number;
  /** Of a flame graph: the sum of all of it. */
  readonly total: bigint | undefined;
}

const lengths = [
  { length: '1 h', ms: HOUR_MS, targetMs: 25 },
  { length: '24 h', ms: DAY_MS, targetMs: 30 },
  { length: '7 d', ms: 7 * DAY_MS, targetMs: 100 },
  { length: '30 d', ms: 30 * DAY_MS },
];

/** Ranges that end with the store's last day, of each service: flame graphs and series; then such as roll-ups do not answer, or not alone. */
export function questions({ services }: RangeStore, { days }: StoredRanges): Asked[] {
  const endMs = START_MS + days * DAY_MS - 1;
  const asked: Asked[] = [];
  const ask = (
    kind: 'flame graph' | 'series',
    service: string,
    what: string,
    range: Range,
    more: Partial<Asked> = {},
  ) =>
    asked.push({
      what: `${kind}, ${what}`,
      service,
      query: kind === 'series' ? series(service, range) : graph(service, range),
      ...more,
    });
  for (const { name, series: count, days: own } of services)
    for (const { length, ms, targetMs } of lengths) {
      if (ms > own * DAY_MS) continue;
      const range = { startMs: endMs - ms + 1, endMs };
      const hasTarget = count === 1_000 && targetMs !== undefined;
      ask('flame graph', name, length, range, hasTarget ? { targetMs } : {});
      ask('series', name, length, range);
    }
  const half = HOUR_MS / 2;
  for (const { name } of services) {
    ask('flame graph', name, '1 h from half past', { startMs: endMs - HOUR_MS - half + 1, endMs: endMs - half });
    // Nor with a bucket of any roll-up: as Grafana asks.
    const odd = half + 7_123;
    ask('flame graph', name, '1 h to some second', { startMs: endMs - HOUR_MS - odd + 1, endMs: endMs - odd });
    ask('flame graph', name, '24 h to some second', { startMs: endMs - DAY_MS - odd + 1, endMs: endMs - odd });
    ask('flame graph', name, '24 h, one series', { startMs: endMs - DAY_MS + 1, endMs, matcher: ', pod="pod-0000"' });
    ask('flame graph', name, '24 h, all series but one', {
      startMs: endMs - DAY_MS + 1,
      endMs,
      matcher: ', pod!="pod-0000"',
    });
  }
  return asked;
}

interface Range {
  readonly startMs: number;
  readonly endMs: number;
  /** Beside the service; it keeps roll-ups out, because they sum all series. */
  readonly matcher?: string;
}

function graph(service: string, { startMs, endMs, matcher = '' }: Range): StacktracesQuery {
  const selector = `{service_name="${service}"${matcher}}`;
  return {
    kind: 'stacktraces',
    format: 'flamegraph',
    maxNodes: 16_384,
    profileType: PROFILE_TYPE,
    selector,
    startMs,
    endMs,
  };
}

/** 60 points. The first step reaches back from `startMs`. */
function series(service: string, { startMs, endMs }: Range): SelectSeriesQuery {
  const stepMs = (endMs - startMs + 1) / 60;
  return {
    kind: 'selectSeries',
    profileType: PROFILE_TYPE,
    selector: `{service_name="${service}"}`,
    startMs: startMs + stepMs - 1,
    endMs,
    stepMs,
    groupBy: [],
    aggregation: 'sum',
    limit: 0,
  };
}

/** Asks all questions in turn, twice to warm up and then `rounds` times, through the querier, as a query thread does. */
export async function rangeRows(objects: ObjectStore, asked: readonly Asked[], rounds: number): Promise<RangeRow[]> {
  const querier = new Querier({
    objects,
    owners: { answer: () => Promise.resolve([]) },
    codecs: nodeCodecs,
    clock: systemClock(),
    limits: () => ({ retentionPeriodMs: 0, rejectNewerThanMs: 0 }),
  });
  const answers = asked.map((): Answered[] => []);
  for (let round = 0; round < WARM_UP + rounds; round++)
    for (const [i, { query }] of asked.entries()) {
      const answered = await answer(querier, query);
      if (round >= WARM_UP) answers[i]!.push(answered);
    }
  return asked.map((one, i) => ({
    ...one,
    stats: answers[i]![0]!.stats,
    total: answers[i]![0]!.total,
    cpuMs: median(answers[i]!.map(({ cpuMs }) => cpuMs)),
    wallMs: median(answers[i]!.map(({ wallMs }) => wallMs)),
  }));
}

type Answered = Pick<RangeRow, 'stats' | 'cpuMs' | 'wallMs' | 'total'>;

async function answer(querier: Querier, query: Query): Promise<Answered> {
  const began = performance.now();
  const cpu = process.cpuUsage();
  const { partial, stats, gaps } = await querier.query(tenant, query, new AbortController().signal);
  const result = finishQuery(query, partial);
  const { user, system } = process.cpuUsage(cpu);
  const wallMs = performance.now() - began;
  if (gaps.length > 0) throw new Error(`an answer may lack ${JSON.stringify(gaps[0])}`);
  const total = 'format' in result && result.format === 'flamegraph' ? result.flameGraph.total : undefined;
  return { stats, cpuMs: (user + system) / 1_000, wallMs, total };
}

/** The table of docs/storage.md. */
export function rangeTable(
  { services, draws }: RangeStore,
  { days, bytes, perDay }: StoredRanges,
  rows: readonly RangeRow[],
): string {
  const lines = services.map(({ name, series: count, everyMs, days: own }) => {
    const { rows: profiles, samples } = perDay.get(name)!;
    return `| \`${name}\` | ${count} | ${formatDuration(everyMs)} | ${own} | ${profiles * own} | ${Math.round(samples / profiles)} |\n`;
  });
  const answers = rows.map(({ what, service, stats, cpuMs, wallMs, targetMs }) => {
    const { objects, requests, buckets, pages, resolutionMs } = stats;
    const read = [
      ...(buckets > 0 ? [`${buckets} of ${formatDuration(Math.round(resolutionMs / 60_000) * 60_000)}`] : []),
      ...(pages > 0 ? [`${pages} pages`] : []),
    ];
    const target = targetMs === undefined ? '' : `≤ ${targetMs}`;
    return `| \`${service}\` | ${what} | ${objects} | ${requests} | ${kib(stats.bytes)} | ${read.join(', ') || 'totals'} | ${cpuMs.toFixed(1)} | ${wallMs.toFixed(1)} | ${target} |\n`;
  });
  return (
    `${days} days in ${days} blocks of ${(bytes / days / 2 ** 20).toFixed(1)} MiB; profiles are of ${draws} draws from the same stacks.\n\n` +
    `| Service | series | a profile every | days | profiles | stacks a profile |\n|---|--:|--:|--:|--:|--:|\n${lines.join('')}\n` +
    `| Service | question | objects | reads | KiB read | merged | CPU ms | ms | target |\n|---|---|--:|--:|--:|---|--:|--:|--:|\n${answers.join('')}`
  );
}

function kib(bytes: number): string {
  return (bytes / 1024).toFixed(0);
}

/** Milliseconds of CPU of a plain loop over a million doubles: to compare machines, and how busy they are, by. */
function plainLoopMs(): number {
  const doubles = new Float64Array(1_000_000).fill(3);
  const sums = new Float64Array(8_192);
  const loop = (): void => {
    for (let i = 0; i < doubles.length; i++) sums[i & 8_191]! += doubles[i]!;
  };
  return median(interleave({ rounds: 21, seconds: 0 }, { loop }).loop);
}

/** Stores the ranges in a folder of their own, asks, and gives the table. V8 collects as in `kiln start` with a ceiling of 2 GiB and more. */
export async function benchRanges(store: RangeStore, rounds: number, say: (line: string) => void): Promise<string> {
  setFlagsFromString('--heap-growing-percent=200');
  const root = await mkdtemp(join(tmpdir(), 'kiln-ranges-'));
  try {
    const objects = await openDirectoryStore({ disk: realDisk(), root });
    const began = performance.now();
    const stored = await storeRanges(objects, store);
    say(`stored ${(stored.bytes / 2 ** 20).toFixed(0)} MiB in ${((performance.now() - began) / 1_000).toFixed(0)} s`);
    const asked = questions(store, stored);
    const rows = await rangeRows(inspectDirectoryStore({ disk: realDisk(), root }), asked, rounds);
    const loop = `A plain loop over a million doubles took ${plainLoopMs().toFixed(1)} ms of CPU then.`;
    return `${loop} ${rangeTable(store, stored, rows)}`;
  } finally {
    await rm(root, { recursive: true });
  }
}
