import { readdir, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { gzipSync } from 'node:zlib';
import { systemClock } from '@kiln/async';
import { ConfigError, helpText, loadConfig, parseFlags, setting, type SettingsFor } from '@kiln/config';
import { KilnError, labelSetKey, type Label } from '@kiln/model';
import { counted } from '../counted.ts';
import { digestOf, ImportJournal } from '../import-journal.ts';
import { labelsFor, labelsSetting, outlineOf, parseLabel, readSource, sentenceOfFile } from '../pprof-source.ts';
import { pushMessage } from '../push-message.ts';
import { addressOf, callConnect, remoteSettings, withHeadersOf, type Remote } from '../remote.ts';
import { timeText } from '../table-text.ts';
import { Progress, Stopped, unlessStopped, type Command, type Terminal } from '../terminal.ts';

interface ImportFlags {
  readonly labels: readonly string[];
  readonly journal: string;
}

const settings: SettingsFor<ImportFlags> = {
  labels: labelsSetting,
  journal: setting({
    key: 'journal',
    yaml: null,
    type: 'string',
    default: './kiln-import.journal',
    meaning: 'File that remembers what was imported; an import that is repeated with it adds nothing twice',
  }),
};
const schema = { import: settings, remote: remoteSettings };

/** `kiln import`: old pprof files at their own times, as far back as the tenant's retention goes. */
export const importCommand: Command = {
  name: 'import',
  synopsis: 'DIR | FILE… [--label name=value] [--journal ./kiln-import.journal]',
  summary: 'backfill: send old pprof files at their own times, each once',
  example: 'import ./profiles --label service_name=my-app',
  stopsItself: true,
  help: () =>
    `Reaches back as far as retention_period of the tenant. A file is sent again only when the journal does not know it. One whose\n` +
    `answer was not seen is sent again while the server would drop a copy; later it is refused, because it could count twice.\n\n${helpText(schema)}`,
  run: importFiles,
};

async function importFiles(argv: readonly string[], terminal: Terminal): Promise<number> {
  const flags = parseFlags(schema, argv);
  const config = loadConfig(schema, flags);
  if (flags.rest.length === 0) throw new ConfigError('import needs files or directories: kiln import old-profiles/');
  const labels = config.import.labels.map(parseLabel);
  const ownFile = resolve(config.import.journal); // it may lie among them
  const files = (await Promise.all(flags.rest.map(filesOf))).flat().filter((file) => resolve(file) !== ownFile);
  await using journal = await ImportJournal.open(config.import.journal);
  const remote = withHeadersOf(terminal, config.remote);
  const progress = new Progress(terminal);
  const counts = { imported: 0, known: 0 };
  let failed = 0;
  let oldestMs = Number.POSITIVE_INFINITY;
  const { stop } = terminal;
  stop.addEventListener('abort', () => progress.show('ends after the file that is being sent; once more ends at once'));
  for (const [i, file] of files.entries()) {
    if (stop.aborted) break;
    progress.show(`${i + 1} of ${files.length}: ${file}`);
    try {
      const waits = (seconds: number): void =>
        progress.show(
          `${i + 1} of ${files.length}: ${file} waits ${seconds} s for the rate that the tenant may push at`,
        );
      const { was, timeMs } = await withinRate(() => importOne(file, labels, journal, remote), waits, stop);
      counts[was]++;
      if (was === 'imported') oldestMs = Math.min(oldestMs, timeMs);
    } catch (error) {
      if (error instanceof Stopped) break;
      progress.end();
      const { code } = KilnError.from(error);
      // The next file would fare no better.
      if (code === 'unavailable' || code === 'unauthenticated') throw error;
      failed++;
      terminal.err(`${sentenceOfFile(file, error)}\n`);
    }
  }
  progress.end();
  const came = `${counted(counts.imported, 'file')} imported, ${counts.known} known already, ${failed} refused`;
  if (counts.imported + counts.known + failed < files.length) {
    terminal.out(`${came}, of ${files.length}: run it again to go on\n`);
    stop.throwIfAborted();
  }
  terminal.out(`${came}\n`);
  if (counts.imported > 0 && !stop.aborted) await unlessStopped(tellUnreachable(oldestMs, remote, terminal), terminal);
  return failed === 0 ? 0 : 1;
}

async function importOne(
  file: string,
  given: readonly Label[],
  journal: ImportJournal,
  remote: Remote,
): Promise<{ readonly was: 'imported' | 'known'; readonly timeMs: number }> {
  const source = await readSource(file);
  const { sampleTypes, timeNanos } = outlineOf(source);
  if (timeNanos <= 0n)
    throw new KilnError('invalid_argument', 'has no time of its own: kiln push sends it with the time of now');
  const timeMs = Number(timeNanos / 1_000_000n);
  if (timeMs < OLDEST_MS)
    throw new KilnError(
      'invalid_argument',
      `has the time ${timeText(timeMs)}, before 2000-01-01, when there were no such files: time_nanos, ${timeNanos}, is wrong or in another unit; ` +
        `kiln push sends it with the time of now`,
    );
  const labels = labelsFor(source, given, sampleTypes);
  const digest = digestOf(source.bytes);
  const entry = { url: addressOf(remote), tenant: remote.tenant, labels: labelSetKey(labels), digest };
  if (journal.has(entry)) return { was: 'known', timeMs };
  const nowMs = systemClock().nowMs();
  refuseUncertain(journal.begunMs(entry), nowMs);
  await journal.begin(entry, nowMs);
  try {
    await callConnect(remote, 'push.v1.PusherService/Push', {
      type: 'application/proto',
      bytes: pushMessage(labels, gzipSync(source.bytes, { level: 1 }), digest),
      headers: { 'X-Kiln-Backfill': 'true' },
    });
  } catch (error) {
    if (!mayBeStored(KilnError.from(error))) await journal.drop(entry);
    throw error;
  }
  await journal.add(entry);
  return { was: 'imported', timeMs };
}

/** Tells what the server says to a question about the oldest profile: it keeps what no query may reach. */
async function tellUnreachable(oldestMs: number, remote: Remote, terminal: Terminal): Promise<void> {
  const bytes = new TextEncoder().encode(JSON.stringify({ start: oldestMs, end: oldestMs }));
  const question = { type: 'application/json', bytes };
  // Who may push may not be let ask.
  const answer = await callConnect(remote, 'querier.v1.QuerierService/ProfileTypes', question).catch(() => undefined);
  if (answer === undefined || answer.note === '') return;
  terminal.err(`note: asked for the time of the oldest, ${timeText(oldestMs)}, the server says: ${answer.note}\n`);
}

/** Sends again when the server says, while the tenant is over its rate: an import is faster than that from its first second on. @throws Stopped from a wait. */
async function withinRate<T>(send: () => Promise<T>, waits: (seconds: number) => void, stop: AbortSignal): Promise<T> {
  for (let waited = 0; ;) {
    try {
      return await send();
    } catch (error) {
      const { code, retryAfterSeconds } = KilnError.from(error);
      if (code !== 'resource_exhausted' || retryAfterSeconds === undefined || waited >= PATIENCE_SECONDS) throw error;
      waits(retryAfterSeconds);
      await systemClock().sleep(retryAfterSeconds * 1000, stop);
      waited += retryAfterSeconds;
    }
  }
}

/** Before it nobody wrote pprof: what has such a time counts seconds or milliseconds, and nobody would look for it there. */
const OLDEST_MS = Date.UTC(2000, 0, 1);

/** How long a file waits for its rate, one wait more at most. */
const PATIENCE_SECONDS = 600;

/** So long a server surely drops a copy at once: three quarters of its duplicate window. */
const SURE_MS = 90 * 60_000;

/** @throws KilnError `failed_precondition` when a second sending could count twice. */
function refuseUncertain(begunMs: number | undefined, nowMs: number): void {
  if (begunMs === undefined || nowMs - begunMs <= SURE_MS) return;
  throw new KilnError(
    'failed_precondition',
    `was being sent at ${new Date(begunMs).toISOString()} when an import ended without its answer, too long ago for the server to know a copy: kiln query ` +
      `series at the time of the profile tells whether it is stored; if it is not, take its line "begun …" out of the journal`,
  );
}

/** Whether a server may have stored what it did not acknowledge. What was refused for a reason was not, nor what never left. */
function mayBeStored({ code, cause }: KilnError): boolean {
  const reason = cause instanceof Error ? (cause.cause as NodeJS.ErrnoException | undefined)?.code : undefined;
  if (reason !== undefined && /^(ECONNREFUSED|ENOTFOUND|EAI_|ERR_TLS_|ERR_SSL_|CERT_)/.test(reason)) return false;
  return ['unavailable', 'unknown', 'internal', 'deadline_exceeded', 'canceled', 'aborted'].includes(code);
}

/** The files below a directory, in order, or the file itself. */
async function filesOf(path: string): Promise<string[]> {
  if (!(await stat(path)).isDirectory()) return [path];
  const entries = await readdir(path, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile() && !entry.name.startsWith('.'))
    .map(({ parentPath, name }) => join(parentPath, name))
    .toSorted((a, b) => (a < b ? -1 : 1));
}
