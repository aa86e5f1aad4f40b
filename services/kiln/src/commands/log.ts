import { hostname } from 'node:os';
import { systemClock } from '@kiln/async';
import { closeLog, readChain } from '@kiln/catalog';
import { ConfigError, helpText, loadConfig, parseFlags } from '@kiln/config';
import { realDisk } from '@kiln/disk';
import { KilnError, parseLogId, type LogId } from '@kiln/model';
import { openDirectoryStore } from '@kiln/objstore';
import { inspectFileLog } from '@kiln/partition-log';
import { dataSettings, readDataDirectory, type DataReader } from '../data-dir/data-reader.ts';
import { lockDirectory } from '../data-dir/directory-lock.ts';
import { lockedDisk } from '../data-dir/locked-disk.ts';
import { tableText } from '../table-text.ts';
import { Progress, type Command, type Terminal } from '../terminal.ts';

const schema = {
  data: {
    dataDir: {
      ...dataSettings.dataDir,
      meaning: 'Data directory; inspect does not change it, and Kiln may run on it meanwhile; close writes to it',
    },
  },
};

/** `kiln log inspect`: what the log holds, and how much of it is in objects. `kiln log close`: gives up a log whose files are lost. */
export const logCommand: Command = {
  name: 'log',
  synopsis: 'inspect | close LOG  [--data-dir ./data]',
  summary: 'inspect: offsets, bytes, damage, what is cut; close: give up a log whose files are lost',
  example: 'log inspect --data-dir ./data',
  help: () =>
    `close writes to the directory, and is refused while Kiln runs on it: stop Kiln first. What the objects hold of the log stays.\n\n${helpText(schema)}`,
  run: async (argv, terminal) => {
    const flags = parseFlags(schema, argv);
    const [what, name, ...more] = flags.rest;
    const { dataDir } = loadConfig(schema, flags).data;
    if (what === 'inspect' && name === undefined) return inspect(dataDir, terminal);
    if (what === 'close' && name !== undefined && more.length === 0) return close(dataDir, logIdOf(name), terminal);
    throw new ConfigError('log takes: inspect, or close LOG');
  },
};

function logIdOf(name: string): LogId {
  try {
    return parseLogId(name);
  } catch {
    throw new ConfigError(`${JSON.stringify(name)} is no log: kiln log inspect and the refused start name logs`);
  }
}

/** How wrong a clock may be: it may have been set back since the last record. */
const CLOCK_ERROR_MS = 3_600_000;

/** CLOSE of the protocol, for a log that the directory no longer holds: one that is there is followed by the next start and must stay open. */
async function close(dataDir: string, log: LogId, terminal: Terminal): Promise<number> {
  const reader = await readDataDirectory({ dataDir });
  const clock = systemClock();
  await using lock = await lockDirectory(reader.directory.root, { clock, onLost: () => undefined });
  const chain = await readChain(reader, log);
  const E = chain?.E ?? -1;
  await refuseIfThere(reader, log, E);
  const objects = await openDirectoryStore({ disk: lockedDisk(realDisk(), lock), root: reader.directory.objects });
  const catalog = { ...reader, objects, clock, random: Math.random };
  // How much there was nobody can say any more: one offset stands for all of it, and answers of that time are flagged.
  const sinceMs = chain?.tip?.aMax ?? 0;
  const lost = {
    upTo: E + 1,
    reason: `what came after offset ${E} and was in no object went with the files of the log`,
    fromMs: sinceMs,
    toMs: Math.max(sinceMs, clock.nowMs()) + CLOCK_ERROR_MS,
  };
  await closeLog(catalog, { log, writer: `${hostname()}/${process.pid}`, lost });
  terminal.out(
    `log ${log} is closed at offset ${E}: what came after it and was not cut is lost, and answers of that time say so; the rest stays readable\n`,
  );
  return 0;
}

/** @param E up to where objects hold the log. */
async function refuseIfThere(reader: DataReader, log: LogId, E: number): Promise<void> {
  const held = inspectFileLog({ disk: realDisk(), root: reader.directory.log, crc32: reader.crc32 });
  try {
    for await (const { logId, endOffset } of held) {
      if (logId !== log) continue;
      const what =
        endOffset < E
          ? `and ends at offset ${endOffset}, its manifests reach ${E}: put the right one back, or move this one away first`
          : 'and nothing is lost: start Kiln as it is';
      throw new KilnError('failed_precondition', `log ${log} is here, in ${reader.directory.log}, ${what}`);
    }
  } catch (error) {
    // Without a log directory no log is here.
    if (error instanceof KilnError && error.code === 'failed_precondition') throw error;
    if (
      (error as NodeJS.ErrnoException).code !== 'ENOENT' &&
      !(error instanceof KilnError && error.code === 'not_found')
    )
      throw error;
  }
}

async function inspect(dataDir: string, terminal: Terminal): Promise<number> {
  const reader = await readDataDirectory({ dataDir });
  const progress = new Progress(terminal);
  const rows = [['partition', 'log', 'first', 'last', 'cut to', 'to replay', 'segments', 'bytes', 'torn', 'damaged']];
  const damage: string[] = [];
  progress.show('reading partition 0');
  for await (const found of inspectFileLog({ disk: realDisk(), root: reader.directory.log, crc32: reader.crc32 })) {
    const committed = (await readChain(reader, found.logId))?.E ?? -1;
    const damagedCount = found.damaged.reduce((sum, { from, to }) => sum + to - from + 1, 0);
    const counts = [
      found.startOffset,
      found.endOffset,
      committed,
      Math.max(0, found.endOffset - committed),
      found.segments,
      found.bytes,
      found.tornBytes,
      damagedCount,
    ];
    rows.push([String(found.partition), found.logId, ...counts.map(String)]);
    for (const { from, to } of found.damaged)
      damage.push(`partition ${found.partition}: offsets ${from} to ${to} cannot be read\n`);
    progress.show(`reading partition ${found.partition + 1}`);
  }
  progress.end();
  terminal.out(tableText(rows) + damage.join(''));
  return damage.length === 0 ? 0 : 1;
}
