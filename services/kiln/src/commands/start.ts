import { once } from 'node:events';
import { rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { setFlagsFromString } from 'node:v8';
import { parse as parseYaml } from 'yaml';
import { systemClock, type Clock } from '@kiln/async';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ConfigError, formatBytes, helpText, loadConfig, parseFlags } from '@kiln/config';
import { diskTrouble, errorCode, realDisk, type Disk } from '@kiln/disk';
import { ANONYMOUS, KilnError, parseTenantId, type TenantId } from '@kiln/model';
import { runPlatform, WebPage, type HttpOptions, type Platform } from '@kiln/nest';
import { createLogger, createMetrics, type Logger, type Metrics } from '@kiln/telemetry';
import { TenantLimits, TenantResolver, withoutOtherLimits } from '@kiln/tenant';
import { buildInfo } from '../build-info.ts';
import { configPages } from '../config-pages.ts';
import { nodeCodecs } from '@kiln/ingester';
import { counted } from '../counted.ts';
import {
  claimLayout,
  dataDirectory,
  folderSize,
  makeDirectory,
  readVersion,
  type DataDirectory,
} from '../data-dir/layout.ts';
import { lockDirectory, type DirectoryLock } from '../data-dir/directory-lock.ts';
import { lockedDisk } from '../data-dir/locked-disk.ts';
import { httpOptions } from '../http-options.ts';
import { followOverrides } from '../overrides-file.ts';
import { withinMemory } from '../memory-plan.ts';
import { readText } from '../read-text.ts';
import { openRoles, type Roles } from '../roles.ts';
import { ownProfile, startSelfProfiling } from '../self/self-profiling.ts';
import { checkTogether, logLevelOf, startSchema, startTitles, type StartConfig } from '../settings.ts';
import { stopAsked, type Command, type Terminal } from '../terminal.ts';

/** `kiln start`: every role in one process on a directory. */
export const startCommand: Command = {
  name: 'start',
  synopsis: '[--port 4040] [--data-dir ./data] [--config.file F]',
  summary: 'run every role in one process on a directory',
  example: 'start --port 4040 --data-dir ./data',
  stopsItself: true,
  help: () =>
    `Every setting is a flag and a key of the YAML file (in brackets); flags win.\n\n${helpText(startSchema, startTitles)}`,
  run: start,
};

/** From this ceiling on, memory is spent on fewer collections. */
const ROOMY_BYTES = 2 * 2 ** 30;

/**
 * How V8 collects, in this process and its worker threads. What a push leaves behind is mostly buffers outside the heap. V8 counts them, but by itself lets
 * only a tenth of the heap, 8 MB at least, gather before it marks the whole heap anew: once in 35 pushes, a third of all CPU. So they may gather to twice what
 * is held, or half with a small ceiling. There the young part of each worker's heap is small too; of the main heap, which is there already, `./kiln` says how
 * large it may become, or it would be 128 MiB.
 */
function setCollector(ceilingBytes: number): void {
  const isRoomy = ceilingBytes >= ROOMY_BYTES;
  setFlagsFromString(`--heap-growing-percent=${isRoomy ? 200 : 50}`);
  if (!isRoomy) setFlagsFromString('--max-semi-space-size=4');
}

async function start(argv: readonly string[], terminal: Terminal): Promise<number> {
  const asked = await readConfig(argv);
  checkTogether(asked);
  const config = withinMemory(asked);
  setCollector(config.memory.ceilingBytes);
  const http = await httpOptions(config.server);
  const clock = systemClock();
  const log = createLogger({
    level: logLevelOf(config),
    write: (line) => terminal.err(line),
    nowMs: () => clock.nowMs(),
  });
  await checkPort(http);
  const directory = dataDirectory(config.process.dataDir);
  const lost = Promise.withResolvers<never>();
  lost.promise.catch(() => undefined); // perhaps before anybody waits for it
  await using lock = await takeDirectory(directory, clock, (why) => lost.reject(lostDirectory(directory, why)));
  const disk = lockedDisk(realDisk(), lock);
  // A process that has lost its directory has nothing to finish: it leaves everything as it is and ends.
  return await Promise.race([serve({ asked, config, http, clock, log, directory, disk, terminal }), lost.promise]);
}

/** A port that is taken is told before a data directory is made. @throws Node's error when it cannot be opened. */
async function checkPort({ port, address }: HttpOptions): Promise<void> {
  const trial = createServer();
  await once(trial.listen(port, address), 'listening');
  trial.close();
  await once(trial, 'close');
}

interface Serving {
  /** As it was set. */
  readonly asked: StartConfig;
  /** With what was left to Kiln filled in. */
  readonly config: StartConfig;
  readonly http: HttpOptions;
  readonly clock: Clock;
  readonly log: Logger;
  readonly directory: DataDirectory;
  readonly disk: Disk;
  readonly terminal: Terminal;
}

/** Runs the roles until a signal comes. @returns the exit code. */
async function serve({ asked, config, http, clock, log, directory, disk, terminal }: Serving): Promise<number> {
  const metrics = createMetrics({ ofProcess: true });
  const tenants = tenantResolver(config, log, metrics);
  const limits = new TenantLimits(config.limits);
  const ended = new AbortController();
  using _ended = { [Symbol.dispose]: () => ended.abort() };
  const { overridesFiles: files, overridesEveryMs: everyMs } = config.process;
  const overridesNotes =
    files.length === 0
      ? () => []
      : await followOverrides({ files, everyMs, limits, clock, log, metrics }, ended.signal);
  const codecs = nodeCodecs;
  const dieAt = process.env['KILN_TEST_DIE_AT'];
  const context = {
    config,
    directory,
    disk,
    clock,
    random: Math.random,
    codecs,
    log,
    metrics,
    tenants,
    limitsOf: (tenant: TenantId) => limits.of(tenant),
    longestReachMs: () => limits.longestReachMs,
    dieAt,
  };
  let running: Roles | undefined;
  const endSelfProfiling = startSelf(config, {
    clock,
    log: log.with({ role: 'self-profiling' }),
    push: (tenant, message) => running?.push(tenant, message) ?? Promise.resolve(),
  });
  using _self = { [Symbol.dispose]: endSelfProfiling };
  const roles = (running = await openRoles(context));
  try {
    const platform = await runPlatform({
      modules: roles.modules,
      http,
      log,
      metrics,
      clock,
      random: Math.random,
      build: buildInfo(),
      config: configPages(asked, config, limits),
      page: await WebPage.load(dirname(fileURLToPath(import.meta.resolve('@kiln/ui/page')))),
      profile: (seconds, signal) => ownProfile(seconds, clock, signal),
      checks: roles.checks,
      notes: () => [...tenants.notes(), ...overridesNotes(), ...roles.notes()],
      shutdownDelayMs: config.process.shutdownDelayMs,
      drainMs: config.process.shutdownDrainMs,
    });
    const isReady = await Promise.race([
      untilReady(platform, { clock, log, signal: ended.signal }),
      stopAsked(terminal).then(() => false),
    ]);
    if (isReady) await banner(terminal, http, platform, directory, config.auth.multitenancyEnabled);
    const { signal: why } = await stopAsked(terminal);
    const began = clock.nowMs();
    log.info('stopping', { why });
    await platform.stop();
    endSelfProfiling();
    await roles.close();
    log.info('stopped', { ms: clock.nowMs() - began });
    return 0;
  } catch (error) {
    await roles.close();
    throw error;
  }
}

/** Profiles the process into its own store, unless it is off. @returns what ends it. */
function startSelf(
  { auth, selfProfiling }: StartConfig,
  { clock, log, push }: { clock: Clock; log: Logger; push: Roles['push'] },
): () => void {
  if (!selfProfiling.enabled) return () => undefined;
  const tenant = auth.multitenancyEnabled ? parseTenantId(selfProfiling.tenant || 'kiln') : ANONYMOUS;
  return startSelfProfiling(selfProfiling, { clock, log, push: (message) => push(tenant, message) });
}

const LOOK_MS = 20;
const TELL_MS = 5_000;

/** Waits for the roles; tells every few seconds what they wait for. @returns whether they are ready: not when `signal` ends the wait. */
async function untilReady(
  { checks }: Platform,
  { clock, log, signal }: { clock: Clock; log: Logger; signal: AbortSignal },
): Promise<boolean> {
  let toldMs = clock.nowMs();
  while (!signal.aborted) {
    const { ready, lines } = await checks.look();
    if (ready) return true;
    if (clock.nowMs() - toldMs >= TELL_MS) {
      toldMs = clock.nowMs();
      log.info('not ready yet', { why: lines.join('; ') });
    }
    await clock.sleep(LOOK_MS, signal).catch(() => undefined);
  }
  return false;
}

function lostDirectory({ root }: DataDirectory, why: string): KilnError {
  return new KilnError(
    'failed_precondition',
    `the data directory ${root} is not this process's any more (${why}): stopped at once, nothing more was written; what was acknowledged is in its log`,
  );
}

/** Makes, locks and marks the directory. What the disk has to say becomes a sentence that names it. */
async function takeDirectory(
  directory: DataDirectory,
  clock: Clock,
  onLost: (why: string) => void,
): Promise<DirectoryLock> {
  let lock: DirectoryLock | undefined;
  try {
    await makeDirectory(directory);
    lock = await lockDirectory(directory.root, { clock, onLost }).catch(async (error: unknown) => {
      if (!['ENOSPC', 'EDQUOT'].includes(errorCode(error) ?? '') || (await readVersion(directory)) === undefined)
        throw error;
      // The lock needs room as well. Nobody holds this directory of Kiln's, or that had been said.
      await rm(directory.reserve, { force: true });
      return lockDirectory(directory.root, { clock, onLost });
    });
    await claimLayout(directory);
    return lock;
  } catch (error) {
    await lock?.[Symbol.asyncDispose]();
    throw error instanceof KilnError
      ? error
      : new KilnError('unavailable', diskTrouble(error, directory.root), { cause: error });
  }
}

async function readConfig(argv: readonly string[]): Promise<StartConfig> {
  const flags = parseFlags(startSchema, argv);
  if (flags.rest.length > 0)
    throw new ConfigError(`start takes only flags, found ${JSON.stringify(flags.rest[0])}: see start --help`);
  const file = loadConfig(startSchema, flags).process.configFile;
  return file === ''
    ? loadConfig(startSchema, flags)
    : loadConfig(startSchema, flags, { name: file, tree: withOwnLimits(await readYaml(file), file) });
}

/** A file may serve Pyroscope too: its limits that Kiln does not have are passed over, as in a file of overrides. */
function withOwnLimits(tree: unknown, file: string): unknown {
  if (typeof tree !== 'object' || tree === null || !('limits' in tree)) return tree;
  return { ...tree, limits: withoutOtherLimits(tree.limits, `limits in ${file}`) };
}

async function readYaml(file: string): Promise<unknown> {
  const text = await readText(file);
  try {
    return parseYaml(text);
  } catch (error) {
    throw new ConfigError(`${file} is not YAML: ${(error as Error).message.split('\n', 1)[0]}`);
  }
}

function tenantResolver(config: StartConfig, log: Logger, metrics: Metrics): TenantResolver {
  const ignored = metrics.counter({
    name: 'kiln_tenant_header_ignored_total',
    help: 'Requests whose X-Scope-OrgID was ignored because multitenancy is off.',
  });
  return new TenantResolver(config.auth, {
    count: () => ignored.add(),
    warn: (message) => log.warn(message),
  });
}

async function banner(
  terminal: Terminal,
  { tls, pathPrefix }: HttpOptions,
  { address, port }: Platform,
  directory: DataDirectory,
  isMultitenant: boolean,
): Promise<void> {
  const loopback = address === '::1' || address.startsWith('127.');
  const any = address === '0.0.0.0' || address === '::';
  const host = any ? 'localhost' : address.includes(':') ? `[${address}]` : address;
  const url = `${tls === undefined ? 'http' : 'https'}://${host}:${port}${pathPrefix}`;
  const [log, objects] = await Promise.all([folderSize(directory.log), folderSize(directory.objects)]);
  const held = `${roundBytes(log.bytes + objects.bytes)} in ${counted(log.files + objects.files, 'file')}`;
  const other = (url === DEFAULT_URL ? '' : ` --url ${url}`) + (isMultitenant ? ' --tenant team-a' : '');
  terminal.out(`Kiln ${buildInfo().version} is ready on ${url}\n`);
  terminal.out(`  data      ${directory.root} (${held})\n`);
  terminal.out(`  try it    ${terminal.command} push --example${other}\n`);
  terminal.out(`  stop      Ctrl-C\n`);
  if (!loopback) {
    terminal.err(
      `warning: ${address} is reachable from other machines and Kiln asks nobody for a password: put a proxy with authentication in front, or listen on 127.0.0.1\n`,
    );
  }
}

/** Where the other commands look when no --url is given. */
const DEFAULT_URL = 'http://127.0.0.1:4040';

function roundBytes(bytes: number): string {
  for (const unit of [2 ** 30, 2 ** 20, 2 ** 10]) {
    if (bytes >= unit) return `${(bytes / unit).toFixed(1)} ${formatBytes(unit).slice(1)}`;
  }
  return `${bytes} bytes`;
}
