import { constants, crc32, zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import { ManualClock, seededRandom } from '@kiln/async';
import { decodeRecord, type Codecs, type LogRecord } from '@kiln/block';
import type { IngestSource } from '@kiln/formats';
import { parseTenantId, type Label, type TenantId } from '@kiln/model';
import { memoryLog, type OpenLog } from '@kiln/partition-log';
import { noMetrics } from '@kiln/telemetry';
import { tinyPprof } from '../../../../test/process/tiny-pprof.ts';
import { ActiveSeries } from '../active-series.ts';
import { Distributor, type Written } from '../distributor.ts';
import { Intake, type WriteRate } from '../intake.ts';
import type { IngestProfile } from '../ingest-request.ts';
import { Placer } from '../placer.ts';
import { ProfileReader } from '../profile-reader.ts';
import type { WriteLimits } from '../reading.ts';
import { Quota } from '../quota.ts';
import type { PushedSeries } from '../push-request.ts';

export const NOW = 1_800_000_000_000;
export const tenant = parseTenantId('acme');
export const codecs: Codecs = {
  crc32: (bytes, seed = 0) => crc32(bytes, seed),
  zstdCompress: (bytes) => zstdCompressSync(bytes, { params: { [constants.ZSTD_c_compressionLevel]: 1 } }),
  zstdDecompress: (bytes, maxLength) => zstdDecompressSync(bytes, { maxOutputLength: Math.max(1, maxLength) }),
};
export const limits: WriteLimits = {
  maxLabelNameLength: 1024,
  maxLabelValueLength: 2048,
  maxLabelNamesPerSeries: 30,
  maxSessionsPerSeries: 0,
  disableLabelSanitization: true,
  maxProfileSizeBytes: 4_194_304,
  maxStacktraceSamples: 16_000,
  maxStacktraceSampleLabels: 100,
  maxStacktraceDepth: 1000,
  maxSymbolValueLength: 65_535,
  rejectOlderThanMs: 3_600_000,
  rejectNewerThanMs: 600_000,
  ingestionBodyLimitBytes: 1_000_000,
  relabelingRules: '[]',
  relabelingDefaults: 'first',
  sampleTypeRules: '[]',
  usageGroups: '{}',
  ingestionLimit: '{}',
  sampling: '{}',
  maxSeries: 0,
  keepStripped: false,
  tenantShards: 0,
};

/** The two halves together: what a request holds, and what is stored of it. */
interface Writer {
  push(tenant: TenantId, series: readonly PushedSeries[]): Promise<Written[]>;
  ingest(tenant: TenantId, source: IngestSource, body: IngestProfile | undefined): Promise<Written[]>;
}

/** What was written, and what can be asked of it. */
interface Harness {
  intake: Writer;
  whole: Intake;
  distributor: Distributor;
  clock: ManualClock;
  records(): Promise<LogRecord[]>;
  seen: string[];
  /** The sentences of remarks. */
  remarks: string[];
}

/** A distributor over four partitions in memory, and what it tells its observer. @param some limits that are not the defaults of tests. */
export async function harness(
  some: Partial<WriteLimits> = {},
  wrap: (log: OpenLog) => OpenLog = (log) => log,
  rate: WriteRate = { check: () => undefined, take: () => undefined },
): Promise<Harness> {
  const clock = new ManualClock(NOW);
  const log = memoryLog({ partitions: 4, clock });
  const logs = await Promise.all([0, 1, 2, 3].map((partition) => log.open(partition)));
  const seen: string[] = [];
  const remarks: string[] = [];
  const reader = new ProfileReader({
    placer: new Placer({ partitions: 4, codecs, compression: 'none', clock }),
    series: new ActiveSeries(clock, noMetrics),
    random: seededRandom(1),
    clock,
  });
  const distributor = new Distributor({ logs: logs.map(wrap), clock, random: seededRandom(1), metrics: noMetrics });
  const own = { ...limits, ...some };
  const quota = new Quota(clock);
  const whole = new Intake({
    reader,
    distributor,
    limits: () => own,
    rate,
    quota: (owner) => quota.admit(owner, own.ingestionLimit),
    takeRoom: () => ({ [Symbol.dispose]: () => undefined }),
    clock,
    observe: {
      stored: (_, profiles) => void seen.push(`stored ${profiles}`),
      discarded: (_, reason, __, groups) => void seen.push(['discarded', reason, ...groups].join(' ')),
      received: (_, group) => void seen.push(`received ${group}`),
      truncated: () => undefined,
      remarked: (_, { reason, about, message }) => {
        seen.push(`remark ${reason} of ${about}`);
        remarks.push(message);
      },
    },
  });
  const intake: Writer = {
    push: async (tenantId, series) => whole.store(tenantId, await reader.push(tenantId, series, own)),
    ingest: async (tenantId, source, body) => whole.store(tenantId, await reader.ingest(tenantId, source, body, own)),
  };
  return { intake, whole, distributor, clock, seen, remarks, records: () => readAll(logs) };
}

async function readAll(logs: readonly OpenLog[]): Promise<LogRecord[]> {
  const records: LogRecord[] = [];
  for (const log of logs) {
    const end = await log.endOffset();
    const abort = new AbortController();
    if (end < 0) continue;
    for await (const batch of log.read(0, abort.signal)) {
      for (const { record, offset } of batch) {
        records.push(decodeRecord(record!, codecs));
        if (offset === end) abort.abort();
      }
    }
  }
  return records;
}

export const labels = (service: string, more: Label[] = []): Label[] => [
  { name: '__name__', value: 'process_cpu' },
  { name: 'service_name', value: service },
  ...more,
];
export const profile = (value: bigint, timeNanos = BigInt(NOW) * 1_000_000n + 5n): Uint8Array =>
  tinyPprof({ type: 'cpu', unit: 'nanoseconds', timeNanos, stacks: [{ frames: ['leaf', 'main'], value }] });
/** What makes a pprof of `profile` huge: functions with names of this many bytes together, and a sample of each. */
export function hugeStrings(total: number): Buffer[] {
  const length = 60_000;
  const varint = (value: number): number[] => (value < 128 ? [value] : [(value % 128) | 128, ...varint(value >> 7)]);
  const field = (no: number, content: Uint8Array): Buffer[] => [
    Buffer.from([no * 8 + 2, ...varint(content.length)]),
    Buffer.from(content),
  ];
  return Array.from({ length: Math.ceil(total / length) }, (_, i) => {
    const id = varint(100 + i);
    const name = field(6, Buffer.from(`f${i}`.padEnd(length, 'x')));
    const location = field(4, Buffer.from([8, ...id, 0x22, id.length + 1, 8, ...id]));
    const sampled = field(2, Buffer.from([0x0a, id.length, ...id, 0x12, 1, 1]));
    const named = field(5, Buffer.from([8, ...id, 16, ...varint(6 + i)]));
    return [...name, ...location, ...sampled, ...named];
  }).flat();
}

export const sample = (bytes: Uint8Array, id = ''): { profile: Uint8Array; id: string } => ({ profile: bytes, id });
export const ids = (records: LogRecord[]): string[] =>
  records.flatMap(({ datasets }) =>
    datasets.flatMap(({ profiles }) =>
      Array.from({ length: profiles.length }, (_, i) =>
        Buffer.from(profiles.id.subarray(i * 16, i * 16 + 16)).toString('hex'),
      ),
    ),
  );
