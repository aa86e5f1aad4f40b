import type { Compression } from '@kiln/block';
import { compactorDefaults, type CompactorConfig, type RoomConfig, type WhenFull } from '@kiln/compactor';
import { distributorDefaults, type DistributorConfig } from '@kiln/distributor';
import { ingesterDefaults, type IngesterConfig } from '@kiln/ingester';
import { queryFrontendDefaults, type QueryFrontendConfig } from '@kiln/query-frontend';
import { ConfigError, formatDuration, setting, type Config, type SettingsFor } from '@kiln/config';
import { logLevels, type LogLevel } from '@kiln/telemetry';
import { authSettings, limitSettings, type AuthConfig, type Limits } from '@kiln/tenant';
import type { SelfProfilingConfig } from './self/self-profiling.ts';

/** The process itself. */
export interface ProcessConfig {
  readonly configFile: string;
  readonly dataDir: string;
  readonly logLevel: string;
  readonly overridesFiles: readonly string[];
  readonly overridesEveryMs: number;
  readonly shutdownDelayMs: number;
  readonly shutdownDrainMs: number;
}

const processSettings: SettingsFor<ProcessConfig> = {
  configFile: setting({
    key: 'config.file',
    yaml: null,
    type: 'string',
    default: '',
    meaning: 'YAML file with settings; flags win over it',
  }),
  dataDir: setting({
    key: 'data-dir',
    type: 'string',
    default: './data',
    meaning: 'Directory that holds the log and the objects',
  }),
  logLevel: setting({
    key: 'log.level',
    yaml: 'server.log_level',
    type: 'string',
    default: 'info',
    choices: logLevels,
    meaning: 'Lines below this level are not written',
  }),
  overridesFiles: setting({
    key: 'runtime-config.file',
    type: 'list',
    default: [],
    meaning:
      'YAML files with limits by tenant under "overrides:"; later files win, and a change holds without a restart',
  }),
  overridesEveryMs: setting({
    key: 'runtime-config.reload-period',
    type: 'duration',
    default: 10_000,
    min: 10,
    meaning: 'How often these files are looked at',
  }),
  shutdownDelayMs: setting({
    key: 'shutdown-delay',
    type: 'duration',
    default: 0,
    meaning: 'After a signal to stop: how long to answer "not ready" before connections are refused',
  }),
  shutdownDrainMs: setting({
    key: 'shutdown-drain',
    type: 'duration',
    default: 10_000,
    meaning: 'After that: how long to wait for requests in flight',
  }),
};

/** The public port. */
export interface ServerConfig {
  readonly address: string;
  readonly port: number;
  readonly headersTimeoutMs: number;
  readonly requestTimeoutMs: number;
  readonly keepAliveMs: number;
  readonly writeTimeoutMs: number;
  readonly pathPrefix: string;
  readonly tlsCertPath: string;
  readonly tlsKeyPath: string;
}

const serverSettings: SettingsFor<ServerConfig> = {
  address: setting({
    key: 'server.http-listen-address',
    type: 'string',
    default: '127.0.0.1',
    meaning: 'Address to listen on; nobody is asked for a password, so another than loopback belongs behind a proxy',
  }),
  port: setting({
    key: 'server.http-listen-port',
    aliases: ['port'],
    type: 'int',
    default: 4040,
    max: 65_535,
    meaning: 'Port to listen on. 0 = any free one',
  }),
  headersTimeoutMs: setting({
    key: 'server.http-headers-timeout',
    type: 'duration',
    default: 30_000,
    meaning: 'Until the head of a request is in. 0 = any time',
  }),
  requestTimeoutMs: setting({
    key: 'server.http-read-timeout',
    type: 'duration',
    default: 60_000,
    meaning: 'Until a whole request is in. 0 = any time',
  }),
  keepAliveMs: setting({
    key: 'server.http-idle-timeout',
    type: 'duration',
    default: 120_000,
    meaning: 'How long an idle connection is kept',
  }),
  writeTimeoutMs: setting({
    key: 'server.http-write-timeout',
    type: 'duration',
    default: 60_000,
    meaning: 'How long the reader of an answer may take none of it. 0 = any time',
  }),
  pathPrefix: setting({
    key: 'server.path-prefix',
    type: 'string',
    default: '',
    meaning: 'Every route is served below it, for example /kiln',
  }),
  tlsCertPath: setting({
    key: 'server.http-tls-cert-path',
    type: 'string',
    default: '',
    meaning: 'PEM file with the certificate and its chain; with it the port speaks TLS only',
  }),
  tlsKeyPath: setting({
    key: 'server.http-tls-key-path',
    type: 'string',
    default: '',
    meaning: 'PEM file with the key of the certificate',
  }),
};

/** What the whole process may hold. */
export interface MemoryConfig {
  readonly ceilingBytes: number;
}

const memorySettings: SettingsFor<MemoryConfig> = {
  ceilingBytes: setting({
    key: 'memory.ceiling',
    type: 'bytes',
    default: 0,
    meaning:
      "Memory that the process may hold: itself, heads, requests in flight, queries, merges. At it heads are cut, then reading of the log pauses, then reads are refused, then pushes. 0 = half of the machine's or the container's",
  }),
};

const ingesterSettings: SettingsFor<IngesterConfig> = {
  cutMaxAgeMs: setting({
    key: 'ingester.cut-max-age',
    type: 'duration',
    default: ingesterDefaults.cutMaxAgeMs,
    min: 10,
    meaning: 'Age at which what the head holds is cut to an object',
  }),
  cutMaxBytes: setting({
    key: 'ingester.cut-max-bytes',
    type: 'bytes',
    default: ingesterDefaults.cutMaxBytes,
    min: 1,
    meaning: 'Estimated size of the object at which a partition is cut',
  }),
  cutMaxLogBytes: setting({
    key: 'ingester.cut-max-log-bytes',
    type: 'bytes',
    default: ingesterDefaults.cutMaxLogBytes,
    min: 1,
    meaning:
      'Bytes of the log at which a partition is cut: about what a start replays, or twice that when a cut was under way',
  }),
  headMaxBytes: setting({
    key: 'ingester.head-max-bytes',
    type: 'bytes',
    default: 0,
    meaning:
      'Memory that all heads may take together; 0 = half of what memory.ceiling leaves beside the process itself, at most 1 GiB',
  }),
  workers: setting({
    key: 'ingester.workers',
    type: 'int',
    default: ingesterDefaults.workers,
    max: 64,
    unit: 'threads',
    meaning: 'Worker threads that share the partitions; 0 = none, the main thread does it',
  }),
  cutOnStop: setting({
    key: 'ingester.cut-on-stop',
    type: 'bool',
    default: ingesterDefaults.cutOnStop,
    meaning: 'A clean stop cuts what the heads hold, so that the next start replays nothing',
  }),
};

const compressions: readonly Compression[] = ['none', 'zstd'];

const distributorSettings: SettingsFor<DistributorConfig> = {
  threads: setting({
    key: 'distributor.threads',
    type: 'int',
    default: distributorDefaults.threads,
    max: 64,
    unit: 'threads',
    meaning:
      'Threads that decompress and decode pushes; 0 = none, the main thread does it. Each holds one decompressed body at a time, of ingestion_body_limit_mb at most, and as much again of decompressed profiles in it',
  }),
  inFlightMaxBytes: setting({
    key: 'distributor.in-flight-max-bytes',
    type: 'bytes',
    default: 0,
    meaning:
      'Bodies above 4 MiB, as they came, that all pushes not answered yet may hold together, and a quarter of it for smaller ones; above it 503. A push that is alone is taken. What they hold decompressed is bounded by distributor.threads. 0 = a sixteenth of what memory.ceiling leaves, at most 128 MiB',
  }),
};

/** The threads that answer queries. */
export interface QuerierConfig {
  readonly threads: number;
}

const querierSettings: SettingsFor<QuerierConfig> = {
  threads: setting({
    key: 'querier.threads',
    type: 'int',
    default: 1,
    max: 64,
    unit: 'threads',
    meaning: 'Threads that merge and encode the answers of queries; 0 = none, the main thread does it',
  }),
};

const compactorSettings: SettingsFor<CompactorConfig> = {
  enabled: setting({
    key: 'compactor.enabled',
    type: 'bool',
    default: compactorDefaults.enabled,
    meaning:
      'Merge what was cut into blocks by hour and day. Without it, retention still deletes what is past its time',
  }),
  intervalMs: setting({
    key: 'compactor.interval',
    type: 'duration',
    default: compactorDefaults.intervalMs,
    min: 10,
    meaning: 'Pause between two rounds over all tenants',
  }),
  hourMs: setting({
    key: 'compactor.first-window',
    type: 'duration',
    default: compactorDefaults.hourMs,
    min: 1_000,
    meaning: 'Profile time that a block of level 1 spans',
  }),
  dayMs: setting({
    key: 'compactor.second-window',
    type: 'duration',
    default: compactorDefaults.dayMs,
    min: 1_000,
    meaning: 'Profile time that a block of level 2 spans; a multiple of the first window',
  }),
  maxJobBytes: setting({
    key: 'compactor.max-job-bytes',
    type: 'bytes',
    default: 0,
    meaning:
      'Stored bytes that one job reads at most: bounds its memory, to about eight times as much, and the size of a block. 0 = a sixty-fourth of what memory.ceiling leaves, at most 128 MiB',
  }),
  threads: setting({
    key: 'compactor.threads',
    type: 'int',
    default: compactorDefaults.threads,
    max: 64,
    unit: 'threads',
    meaning: 'Threads that build blocks; 0 = none, the main thread does it',
  }),
};

const queryFrontendSettings: SettingsFor<QueryFrontendConfig> = {
  maxConcurrent: setting({
    key: 'querier.max-concurrent',
    type: 'int',
    default: 0,
    max: 1024,
    unit: 'queries',
    meaning:
      'Queries that run at once in this process: what bounds the memory that large answers take together. 0 = one for each 64 MiB of a quarter of what memory.ceiling leaves, 4 at most',
  }),
  maxWaiting: setting({
    key: 'query-frontend.max-waiting',
    type: 'int',
    default: queryFrontendDefaults.maxWaiting,
    max: 10_000,
    unit: 'queries',
    meaning:
      'Queries that wait for their turn, of all tenants together; tenants are served in turn. Above it the newest of the tenant with the most is refused with 429. 0 = none wait',
  }),
  inFlightMaxBytes: setting({
    key: 'query-frontend.in-flight-max-bytes',
    type: 'bytes',
    default: queryFrontendDefaults.inFlightMaxBytes,
    min: 1024 * 1024,
    meaning:
      'Messages, as they came and decompressed, that all queries not answered yet may hold together; above it 503. A query that is alone is taken',
  }),
};

/** Log and objects below the data directory. */
export interface StorageConfig {
  readonly partitions: number;
  readonly compression: string;
  readonly highWater: number;
  readonly whenFull: string;
}

const whenFulls: readonly WhenFull[] = ['refuse', 'oldest-goes'];

const storageSettings: SettingsFor<StorageConfig> = {
  partitions: setting({
    key: 'partition-log.partitions',
    type: 'int',
    default: 4,
    min: 1,
    max: 1024,
    unit: 'partitions',
    meaning: 'Slices of the stream of writes; fixed when a data directory is made',
  }),
  compression: setting({
    key: 'partition-log.compression',
    type: 'string',
    default: 'none',
    choices: compressions,
    meaning:
      'Of records in the log. zstd takes 0.4 of the bytes and about a ninth more CPU for a push; objects are always compressed',
  }),
  highWater: setting({
    key: 'storage.high-water',
    type: 'float',
    default: 0.95,
    min: 0.01,
    max: 1,
    meaning: 'Share of the file system of the data directory that may be used, by whomever. 1 = all',
  }),
  whenFull: setting({
    key: 'storage.when-full',
    type: 'string',
    default: 'refuse',
    choices: whenFulls,
    meaning:
      'Above that, or above max_stored_bytes of a tenant: refuse pushes with 503 until there is room, or delete the oldest blocks',
  }),
};

/** How full storage may be; `choices` has checked the word. */
export function roomOf({ highWater, whenFull }: StorageConfig): RoomConfig {
  return { highWater, whenFull: whenFulls.find((known) => known === whenFull) ?? 'refuse' };
}

const selfProfilingSettings: SettingsFor<SelfProfilingConfig> = {
  enabled: setting({
    key: 'self-profiling.enabled',
    type: 'bool',
    default: true,
    meaning:
      'Profile this process itself and store it as the service "kiln"; takes 1.5 % of the CPU of a busy server, a thousandth of a core of an idle one',
  }),
  tenant: setting({
    key: 'self-profiling.tenant-id',
    type: 'string',
    default: '',
    meaning: 'Tenant that it is stored for when tenants are kept apart; empty = kiln',
  }),
  everyMs: setting({
    key: 'self-profiling.every',
    type: 'duration',
    default: 900_000,
    min: 1_000,
    max: 1_800_000,
    meaning:
      'Longest time that a thread goes unprofiled; it is profiled for 10 s as soon as that costs 1 % of the CPU it has used since, and the main thread right after the start',
  }),
};

/** Everything that `kiln start` takes. A role's settings stand beside the role; here they come together. */
export const startSchema: {
  readonly process: SettingsFor<ProcessConfig>;
  readonly server: SettingsFor<ServerConfig>;
  readonly auth: SettingsFor<AuthConfig>;
  readonly memory: SettingsFor<MemoryConfig>;
  readonly storage: SettingsFor<StorageConfig>;
  readonly distributor: SettingsFor<DistributorConfig>;
  readonly ingester: SettingsFor<IngesterConfig>;
  readonly querier: SettingsFor<QuerierConfig>;
  readonly compactor: SettingsFor<CompactorConfig>;
  readonly queryFrontend: SettingsFor<QueryFrontendConfig>;
  readonly selfProfiling: SettingsFor<SelfProfilingConfig>;
  readonly limits: SettingsFor<Limits>;
} = {
  process: processSettings,
  server: serverSettings,
  auth: authSettings,
  memory: memorySettings,
  storage: storageSettings,
  distributor: distributorSettings,
  ingester: ingesterSettings,
  querier: querierSettings,
  compactor: compactorSettings,
  queryFrontend: queryFrontendSettings,
  selfProfiling: selfProfilingSettings,
  limits: limitSettings,
};

/** Above each group in the help. */
export const startTitles: Readonly<Record<keyof typeof startSchema, string>> = {
  process: 'The process',
  server: 'The port',
  auth: 'Tenants',
  memory: 'Memory',
  storage: 'The log and the objects',
  distributor: 'Taking in pushes',
  ingester: 'Heads, and cutting them to objects',
  querier: 'Reading for queries',
  compactor: 'Merging blocks',
  queryFrontend: 'Queries: how many, how large',
  selfProfiling: 'Profiles of Kiln itself',
  limits: 'Limits of a tenant: in a file of --runtime-config.file they may differ by tenant',
};

/** How records are stored; `choices` has checked the word. */
export function compressionOf({ compression }: StorageConfig): Compression {
  return compressions.find((known) => known === compression) ?? 'none';
}

export type StartConfig = Config<typeof startSchema>;

/** What no setting can check alone. @throws ConfigError naming both and their values. */
export function checkTogether({ compactor: { hourMs, dayMs } }: StartConfig): void {
  if (dayMs % hourMs === 0) return;
  throw new ConfigError(
    `compactor.second-window is ${formatDuration(dayMs)}, must be a multiple of compactor.first-window, which is ${formatDuration(hourMs)}: ` +
      `blocks of the second are merged from those of the first, and none may lie in two`,
  );
}

/** The level as the logger takes it; `choices` has checked the word. */
export function logLevelOf(config: StartConfig): LogLevel {
  return logLevels.find((level) => level === config.process.logLevel) ?? 'info';
}
