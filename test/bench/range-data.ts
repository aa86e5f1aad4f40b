import { systemClock } from '@kiln/async';
import { PAGE_BYTES, PageBuilder, writeBlock, type DatasetTables, type Page } from '@kiln/block';
import { blockKey, closeLog, commitBlocks, raiseTrim, registerLog, type LiveBlock } from '@kiln/catalog';
import { labelSet, makeLogId, type ExactColumn } from '@kiln/model';
import type { ObjectStore } from '@kiln/objstore';
import { nodeCodecs } from '../../services/ingester/src/worker/node-codecs.ts';
import { buildPprof } from '../support/profile-builder.ts';
import { seededRandom, type Random } from '../support/seeded-random.ts';
import { drawStacks, growStackPool } from '../support/stack-pool.ts';
import { append, newHead, parse, tenant, toRecord } from './pipeline.ts';

export const HOUR_MS = 3_600_000;
export const DAY_MS = 24 * HOUR_MS;
/** Midnight. */
export const START_MS = 20_833 * DAY_MS;
export const PROFILE_TYPE = 'process_cpu:cpu:nanoseconds:cpu:nanoseconds';
const CPU_PERIOD = 10_000_000;

/** A service of the store: each of its series has a profile every `everyMs`, on the last `days` days. */
export interface RangeService {
  readonly name: string;
  readonly series: number;
  readonly everyMs: number;
  readonly days: number;
}

export interface RangeStore {
  readonly services: readonly RangeService[];
  /** Stacks that there are, and draws that make a profile. */
  readonly stacks: number;
  readonly draws: number;
}

/** What a day of a service holds, whichever day. */
export interface ServiceDay {
  readonly rows: number;
  readonly samples: number;
  /** Nanoseconds of CPU, exact below 2^53. */
  readonly total: number;
}

/** What was stored. */
export interface StoredRanges {
  readonly days: number;
  readonly bytes: number;
  readonly perDay: ReadonlyMap<string, ServiceDay>;
}

/** The samples of a profile; rows take one of a few. */
interface Template {
  readonly stack: Uint32Array;
  readonly values: readonly ExactColumn[];
  readonly totals: readonly number[];
}

const TEMPLATES = 512;

/**
 * Puts a block a day and an index that names them, as compaction leaves a tenant behind, without pushing a profile: a day of a service is built once,
 * and moved in time for the others.
 */
export async function storeRanges(
  objects: ObjectStore,
  { services, stacks, draws }: RangeStore,
): Promise<StoredRanges> {
  const random = seededRandom('ranges');
  const catalog = {
    objects,
    crc32: (bytes: Uint8Array, seed?: number) => nodeCodecs.crc32(bytes, seed),
    clock: systemClock(),
    random,
  };
  // As it is when everything is in blocks: the one log that there was is closed and gone.
  const log = makeLogId('0'.repeat(32), 0);
  await registerLog(catalog, { log, partition: 0 });
  await closeLog(catalog, { log, writer: 'bench' });
  await raiseTrim(catalog, log, () => true);
  const { like, templates } = symbolsAndTemplates(random, stacks, draws);
  const days = Math.max(...services.map((service) => service.days));
  const first = services.map((service) => dayOf(service, like, templates, random));
  const blocks: LiveBlock[] = [];
  for (let day = 0; day < days; day++) {
    const datasets = first
      .filter((_, i) => day >= days - services[i]!.days)
      .map((tables) => moved(tables, START_MS + day * DAY_MS));
    const blockId = Uint8Array.from({ length: 16 }, (_, i) => (i === 15 ? day : 0));
    const { bytes, entry } = writeBlock({ level: 2, blockId, tenant, datasets }, nodeCodecs);
    const object = blockKey(tenant, 0, day.toString(16).padStart(32, '0'));
    await objects.put(object, bytes);
    const { off, len, rows, minMs, maxMs } = entry;
    blocks.push({ object, off, len, rows, minMs, maxMs, level: 2, size: bytes.length });
  }
  await commitBlocks(catalog, tenant, { rev: 0, taken: [], blocks, quarantine: [], gaps: [], goneLogs: new Set() });
  return {
    days,
    bytes: blocks.reduce((sum, { size }) => sum + size, 0),
    perDay: new Map(services.map(({ name }, i) => [name, contentOf(first[i]!, templates)])),
  };
}

/** A dataset with every stack of a pool, the most used first, and profiles drawn from it. */
function symbolsAndTemplates(
  random: Random,
  stacks: number,
  draws: number,
): { like: DatasetTables; templates: readonly Template[] } {
  const pool = growStackPool(random, { stacks, functions: 590, meanDepth: 22 });
  const byUse = pool.stacks.map((_, i) => i).sort((a, b) => pool.weights[b]! - pool.weights[a]!);
  const rank = new Uint32Array(byUse.length);
  for (const [at, stack] of byUse.entries()) rank[stack] = at;
  const pprof = buildPprof({
    types: [
      ['samples', 'count'],
      ['cpu', 'nanoseconds'],
    ],
    periodType: ['cpu', 'nanoseconds'],
    period: BigInt(CPU_PERIOD),
    samples: byUse.map((stack) => ({ frames: pool.stacks[stack]!, values: [1n, BigInt(CPU_PERIOD)] })),
  });
  const head = newHead();
  const labels = [
    { name: '__name__', value: 'process_cpu' },
    { name: 'service_name', value: 'any' },
  ];
  append(head, toRecord(parse({ gzip: pprof, labels })!, 0), 0);
  const like = [...head.tables(tenant)][0]!;
  const templates = Array.from({ length: TEMPLATES }, (): Template => {
    const drawn = [...drawStacks(random, pool, draws)]
      .map(([stack, count]) => [rank[stack]!, count] as const)
      .sort(([a], [b]) => a - b);
    const counts = Float64Array.from(drawn, ([, count]) => count);
    const sum = counts.reduce((total, count) => total + count, 0);
    const columns = [counts, counts.map((count) => count * CPU_PERIOD)];
    return {
      stack: Uint32Array.from(drawn, ([stack]) => stack),
      values: columns.map((lo) => ({ lo, hi: undefined })),
      totals: [sum, sum * CPU_PERIOD],
    };
  });
  return { like, templates };
}

const templateOf = (row: number): number => (row * 7) % TEMPLATES;

/** The day from time 0 on, sorted by hour, series and time as in a block. An hour is a multiple of `everyMs`. */
function dayOf(
  { name, series, everyMs }: RangeService,
  like: DatasetTables,
  templates: readonly Template[],
  random: Random,
): DatasetTables {
  const perHour = HOUR_MS / everyMs;
  const length = series * perHour * 24;
  const seriesOf = (row: number): number => Math.floor(row / perHour) % series;
  const totals = like.types.map(() => new Float64Array(length));
  const pages: Page[] = [];
  const builder = new PageBuilder(like.types.length);
  let firstRow = 0;
  for (let row = 0; row < length; row++) {
    const { stack, values, totals: sums } = templates[templateOf(row)]!;
    builder.add(stack, values, stack.length);
    for (const [type, column] of totals.entries()) column[row] = sums[type]!;
    if (builder.byteLength < PAGE_BYTES && row < length - 1) continue;
    pages.push({ firstRow, rows: builder.rows, bytes: builder.toBytes() });
    builder.clear();
    firstRow = row + 1;
  }
  const offsets = Array.from({ length: series }, () => Math.floor(random() * everyMs));
  const id = new Uint8Array(length * 8);
  for (let i = 0; i < id.length; i++) id[i] = random() * 256;
  const timeMs = Float64Array.from({ length }, (_, row) => {
    const hour = Math.floor(row / (series * perHour));
    return hour * HOUR_MS + (row % perHour) * everyMs + offsets[seriesOf(row)]!;
  });
  return {
    ...columnsOf(like),
    service: name,
    minMs: Math.min(...offsets),
    maxMs: DAY_MS - everyMs + Math.max(...offsets),
    series: Array.from({ length: series }, (_, i) =>
      labelSet([
        { name: '__name__', value: 'process_cpu' },
        { name: 'pod', value: `pod-${String(i).padStart(4, '0')}` },
        { name: 'service_name', value: name },
      ]),
    ),
    rows: {
      length,
      series: Uint32Array.from({ length }, (_, row) => seriesOf(row)),
      timeMs,
      id,
      offset: undefined,
      totals: totals.map((lo) => ({ lo, hi: undefined })),
    },
    pages,
    spans: undefined,
  };
}

/** What all services share. Members of the head's tables may be getters: they are named. */
function columnsOf({ name, types, symbols }: DatasetTables): Pick<DatasetTables, 'name' | 'types' | 'symbols'> {
  return { name, types, symbols };
}

function moved(tables: DatasetTables, byMs: number): DatasetTables {
  const { rows, minMs, maxMs } = tables;
  const timeMs = rows.timeMs.map((ms) => ms + byMs);
  return { ...tables, minMs: minMs + byMs, maxMs: maxMs + byMs, rows: { ...rows, timeMs } };
}

function contentOf({ rows }: DatasetTables, templates: readonly Template[]): ServiceDay {
  let samples = 0;
  for (let row = 0; row < rows.length; row++) samples += templates[templateOf(row)]!.stack.length;
  return { rows: rows.length, samples, total: rows.totals[1]!.lo.reduce((sum, value) => sum + value, 0) };
}
