import { hostname } from 'node:os';
import { MEMORY_SHARES, MemoryLedger, type Clock, type Random } from '@kiln/async';
import type { Codecs } from '@kiln/block';
import { newestEnd, openCluster, registerLog, type Catalog } from '@kiln/catalog';
import { Compactor, Reserve, Room } from '@kiln/compactor';
import { compactorModule } from '@kiln/compactor/module';
import type { Disk } from '@kiln/disk';
import { ActiveSeries, Distributor, writeLimits } from '@kiln/distributor';
import { distributorModule } from '@kiln/distributor/module';
import { Ingester } from '@kiln/ingester';
import { KilnError, type TenantId } from '@kiln/model';
import type { DynamicModule, ReadyCheck } from '@kiln/nest';
import { openDirectoryStore } from '@kiln/objstore';
import { openFileLog, type OpenLog } from '@kiln/partition-log';
import { LeftOut } from '@kiln/querier';
import { queryFrontendModule } from '@kiln/query-frontend/module';
import type { Logger, MetricsRegistry } from '@kiln/telemetry';
import type { LimitsOf, TenantResolver } from '@kiln/tenant';
import { openBuilder, type OpenBuilder } from './compacting/compact-threads.ts';
import { guardedStore } from './data-dir/guarded-store.ts';
import { diskUsage, type DataDirectory } from './data-dir/layout.ts';
import { openReserveFile } from './data-dir/reserve-file.ts';
import { processBytes } from './memory-plan.ts';
import { openAnswerer } from './reading/query-threads.ts';
import { openReader } from './writing/write-threads.ts';
import { compressionOf, roomOf, type StartConfig } from './settings.ts';

/** What the roles of a process are made from: all real things, made once, here at the edge. */
export interface RoleContext {
  readonly config: StartConfig;
  readonly directory: DataDirectory;
  /** Of the directory. */
  readonly disk: Disk;
  readonly clock: Clock;
  readonly random: Random;
  readonly codecs: Codecs;
  readonly log: Logger;
  readonly metrics: MetricsRegistry;
  readonly tenants: TenantResolver;
  readonly limitsOf: LimitsOf;
  /** For how long any tenant may ask for what is appended now; Infinity = for ever. */
  readonly longestReachMs: () => number;
  /** For tests of crashes: the step of a cut at which the process kills itself. */
  readonly dieAt: string | undefined;
}

/** The roles of a process, running. */
export interface Roles {
  /** Their edges, for the public port. */
  readonly modules: readonly DynamicModule[];
  /** Why they are not ready, if so. */
  readonly checks: readonly ReadyCheck[];
  /** What an operator should know that does not make them unready. */
  notes(): readonly string[];
  /** Stores a push of the process itself, which comes by no port: no rate holds it. @throws KilnError as a push. */
  push(tenant: TenantId, message: Uint8Array): Promise<void>;
  /** Stops them, readers of the log before the log; called after the last request is answered. */
  close(): Promise<void>;
}

/**
 * Opens log and objects below the data directory and composes every role on them: the one place that knows all services.
 * @throws KilnError of the adapters: a disk in trouble, a newer layout, another number of partitions.
 */
export async function openRoles(context: RoleContext): Promise<Roles> {
  const { config, directory, disk, clock, random, codecs, log, metrics, tenants, limitsOf, dieAt } = context;
  const { partitions } = config.storage;
  const ledger = openLedger(config, metrics);
  const objects = await openDirectoryStore({ disk, root: directory.objects });
  const catalog: Catalog = { objects, crc32: (bytes, seed) => codecs.crc32(bytes, seed), clock, random };
  await openCluster(catalog, { partitions });
  const partitionLog = await openFileLog({
    disk,
    root: directory.log,
    partitions,
    clock,
    crc32: catalog.crc32,
    random,
    recentBytes: RECENT_BYTES,
  });
  try {
    const logs: OpenLog[] = [];
    for (let partition = 0; partition < partitions; partition++) logs.push(await partitionLog.open(partition));
    // Before the first record is acknowledged on them.
    const ends = new Map(await Promise.all(logs.map(async (one) => [one, await one.endOffset()] as const)));
    // Those with records first: where the register is lost, an empty one would make it anew.
    for (const [{ id, partition }, end] of [...ends].toSorted(([, a], [, b]) => b - a))
      await registerLog(catalog, { log: id, partition, end });
    for (const one of logs) await refuseOlder(catalog, one, directory);

    const reserve = new Reserve({
      file: await openReserveFile(disk, directory),
      usage: () => diskUsage(directory.root),
      log: log.with({ role: 'compactor' }),
      metrics,
    });
    await reserve.fill();
    const writer = `${hostname()}/${process.pid}`;
    const telemetry = { log: log.with({ role: 'ingester' }), metrics };
    const ingester = new Ingester(config.ingester, {
      logs,
      ledger,
      // What was released for who deletes is not for cuts: they wait, and what they hold is in the log.
      objects: guardedStore(objects, () => reserve.refusal()),
      clock,
      random,
      telemetry,
      writer,
      dieAt,
    });
    const distributor = new Distributor({ logs, clock, random, metrics, log: log.with({ role: 'distributor' }) });
    const reader = openReader({
      count: config.distributor.threads,
      setup: { partitions, compression: compressionOf(config.storage), seed: Math.floor(random() * 2 ** 32) },
      series: new ActiveSeries(clock, metrics),
      codecs,
      clock,
      log: log.with({ role: 'distributor' }),
    });
    const leftOut = new LeftOut(clock, { log: log.with({ role: 'querier' }), metrics });
    const answerer = openAnswerer({
      count: config.querier.threads,
      setup: { objects: directory.objects },
      owners: { answer: ingester.answer.bind(ingester) },
      objects,
      codecs,
      leftOut: (gaps) => leftOut.met(gaps),
      limits: limitsOf,
      clock,
      log: log.with({ role: 'query-frontend' }),
    });
    const builder = openBuilder({
      count: config.compactor.threads,
      setup: { objects: directory.objects },
      objects,
      codecs,
      clock,
      log: log.with({ role: 'compactor' }),
    });
    const room = new Room(roomOf(config.storage), {
      usage: () => reserve.usage(),
      limits: limitsOf,
      clock,
      log: log.with({ role: 'distributor' }),
      metrics,
    });
    await room.start();
    const compactor = new Compactor(config.compactor, {
      ledger,
      room,
      reserve,
      catalog,
      builder,
      limits: limitsOf,
      longestReachMs: context.longestReachMs,
      clock,
      random,
      telemetry: { log: log.with({ role: 'compactor' }), metrics },
      killPoint: dieAt === undefined ? undefined : dieWhen(dieAt),
    });
    ingester.start();
    compactor.start();
    return {
      modules: [
        distributorModule(config.distributor, {
          distributor,
          limits: limitsOf,
          tenantOf: (header) => tenants.forWrite(header),
          tenantsOf: (header) => tenants.forRead(header),
          reader,
          admit: (tenant) => room.check(tenant),
          takeRoom: (tenant, bytes) => room.take(tenant, bytes),
          log: log.with({ role: 'distributor' }),
          ledger,
          clock,
          metrics,
        }),
        queryFrontendModule(config.queryFrontend, {
          answerer,
          catalog,
          limits: limitsOf,
          tenantOf: (header) => tenants.forWrite(header),
          tenantsOf: (header) => tenants.forRead(header),
          limitOf: (tenant) => limitsOf(tenant).maxConcurrentQueries,
          admit: (tenant) => room.check(tenant),
          log: log.with({ role: 'query-frontend' }),
          ledger,
          clock,
          metrics,
        }),
        compactorModule(compactor),
      ],
      checks: [
        { name: 'distributor', reason: () => distributor.notReady() },
        { name: 'ingester', reason: () => ingester.notReady() },
      ],
      push: async (tenant, bytes) => {
        room.check(tenant);
        const form = { kind: 'push', isJson: false } as const;
        const call = { tenant, body: { bytes, isGzip: false }, form };
        const { records } = await reader.read(call, writeLimits(limitsOf(tenant), false));
        using _room = room.take(
          tenant,
          records.reduce((sum, { record }) => sum + record.length, 0),
        );
        await distributor.append(records);
      },
      notes: () => [...ingester.notes(), ...leftOut.notes(), ...compactor.notes(), ...room.notes()],
      close: async () => {
        await Promise.all([reader.stop(), answerer.stop(), room.stop(), stopCompactor(compactor, builder)]);
        await ingester.stop();
        await partitionLog[Symbol.asyncDispose]();
      },
    };
  } catch (error) {
    await partitionLog[Symbol.asyncDispose]();
    throw error;
  }
}

/**
 * A log that ends before its manifests would give offsets to new records that count as read, and nobody would ever read them. A manifest that cannot be
 * read is told by its partition, which knows of no offset then.
 * @throws KilnError `failed_precondition` with what to do.
 */
async function refuseOlder(catalog: Catalog, log: OpenLog, directory: DataDirectory): Promise<void> {
  const reached = await newestEnd(catalog, log.id).catch((error: unknown) => {
    if (['data_loss', 'failed_precondition'].includes(KilnError.from(error).code)) return -1;
    throw error;
  });
  const end = await log.endOffset();
  if (end >= reached) return;
  throw new KilnError(
    'failed_precondition',
    `log ${log.id} ends at offset ${end}, but its manifests reach ${reached}: ${directory.log} is older than the objects, or was replaced; put the right ` +
      `one back, or give up what it has lost: move it away, and the next start names the logs for kiln log close`,
  );
}

/** What is being built is given up: the next start plans it anew. */
async function stopCompactor(compactor: Compactor, builder: OpenBuilder): Promise<void> {
  await Promise.all([compactor.stop(), builder.stop()]);
}

function dieWhen(name: string): (step: string) => void {
  return (step) => {
    if (step === name) process.kill(process.pid, 'SIGKILL');
  };
}

/** Of the newest records of each partition of the log, kept for who reads it. */
const RECENT_BYTES = 256 * 1024;

/** The ledger of the process, with what is held from the start, as `/metrics` shows it. */
function openLedger(config: StartConfig, metrics: MetricsRegistry): MemoryLedger {
  const ledger = MemoryLedger.create(config.memory.ceilingBytes);
  ledger.move('process', 0, processBytes(config));
  ledger.move('caches', 0, config.storage.partitions * RECENT_BYTES);
  metrics.gaugeOf({ name: 'kiln_memory_ceiling_bytes', help: 'memory.ceiling.' }, () => ledger.ceilingBytes);
  for (const share of MEMORY_SHARES)
    metrics.gaugeOf(
      { name: `kiln_memory_${share}_bytes`, help: `Bytes that ${share} are counted with below memory.ceiling.` },
      () => ledger.bytesOf(share),
    );
  return ledger;
}
