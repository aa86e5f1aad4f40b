import { randomInt } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import { systemClock } from '@kiln/async';
import { ConfigError, helpText, loadConfig, parseFlags, setting, type SettingsFor } from '@kiln/config';
import { formatSelector, KilnError, labelValue, type Label } from '@kiln/model';
import { counted } from '../counted.ts';
import { exampleProfile } from '../example-profile.ts';
import { withTimeNanos } from '../pprof-outline.ts';
import {
  labelsFor,
  labelsSetting,
  outlineOf,
  parseLabel,
  readSource,
  sentenceOfFile,
  type Source,
} from '../pprof-source.ts';
import { pushMessage } from '../push-message.ts';
import { addressOf, callConnect, remoteSettings, withHeadersOf, type Remote } from '../remote.ts';
import { shellWord } from '../shell-word.ts';
import { Stopped, unlessStopped, type Command, type Terminal } from '../terminal.ts';

interface PushFlags {
  readonly labels: readonly string[];
  readonly keepTime: boolean;
  readonly example: boolean;
}

const settings: SettingsFor<PushFlags> = {
  labels: labelsSetting,
  keepTime: setting({
    key: 'keep-time',
    yaml: null,
    type: 'bool',
    default: false,
    meaning:
      "Keep each file's own time; the server refuses profiles older than an hour by default, which kiln import sends",
  }),
  example: setting({
    key: 'example',
    yaml: null,
    type: 'bool',
    default: false,
    meaning: 'Push a small built-in CPU profile instead of a file',
  }),
};
const schema = { push: settings, remote: remoteSettings };

/** `kiln push`: pprof files by the same call that agents use. */
export const pushCommand: Command = {
  name: 'push',
  synopsis: 'FILE… [--label name=value] [--keep-time]',
  summary: 'send pprof files, stamped with the time of now',
  example: 'push cpu.pb.gz --label service_name=my-app',
  stopsItself: true,
  help: () => helpText(schema),
  run: push,
};

async function push(argv: readonly string[], terminal: Terminal): Promise<number> {
  const flags = parseFlags(schema, argv);
  const config = loadConfig(schema, flags);
  const labels = config.push.labels.map(parseLabel);
  const { example, keepTime } = config.push;
  if (flags.rest.length === 0 && !example) throw new ConfigError('push needs files: kiln push cpu.pb.gz, or --example');
  let failed = 0;
  let last: string | undefined;
  const send = async (source: Source, keep: boolean): Promise<void> => {
    const sent = pushOne(source, labels, keep, config.remote, terminal);
    // Of several files nobody would know which of them was in flight.
    last = await (flags.rest.length > 1 ? sent : unlessStopped(sent, terminal));
  };
  for (const [i, file] of flags.rest.entries()) {
    if (terminal.stop.aborted) {
      const came = `${counted(i - failed, 'file')} pushed, ${failed} refused, of ${flags.rest.length}`;
      terminal.out(`${came}: the next is ${file}\n`);
      terminal.stop.throwIfAborted();
    }
    try {
      await send(await readSource(file), keepTime);
    } catch (error) {
      if (error instanceof Stopped) throw error;
      const { code } = KilnError.from(error);
      // The next file would fare no better, or nobody expected the error.
      if (code === 'unavailable' || code === 'unauthenticated' || (flags.rest.length === 1 && code === 'internal'))
        throw error;
      const sentence = sentenceOfFile(file, error);
      if (flags.rest.length === 1) throw new KilnError(code, sentence, { cause: error });
      failed++;
      terminal.err(`${sentence}\n`);
    }
  }
  if (example) await send({ name: 'example', service: 'shop.example', bytes: exampleProfile() }, false);
  if (last !== undefined) {
    const url = config.remote.url === remoteSettings.url.default ? '' : ` --url ${shellWord(addressOf(config.remote))}`;
    const tenant = config.remote.tenant === '' ? '' : ` --tenant ${shellWord(config.remote.tenant)}`;
    terminal.out(`look at it: ${terminal.command} query profile ${shellWord(last)}${url}${tenant}\n`);
  }
  if (failed > 0)
    throw new KilnError('invalid_argument', `${failed} of ${flags.rest.length} files were not pushed, as said above`);
  return 0;
}

/** @returns what to ask for to see it: `<type>{selector}`. */
async function pushOne(
  source: Source,
  given: readonly Label[],
  keepTime: boolean,
  remote: Remote,
  terminal: Terminal,
): Promise<string> {
  const outline = outlineOf(source);
  const labels = labelsFor(source, given, outline.sampleTypes);
  const stamped = keepTime ? source.bytes : withTimeNanos(source.bytes, nowNanos());
  const body = pushMessage(labels, gzipSync(stamped, { level: 1 }));
  const { note } = await callConnect(withHeadersOf(terminal, remote), 'push.v1.PusherService/Push', {
    type: 'application/proto',
    bytes: body,
  }).catch((error: unknown) => {
    const { code, message } = KilnError.from(error);
    if (!keepTime || !message.includes('reject_older_than')) throw error;
    throw new KilnError(code, `${message}; kiln import takes it as far back as retention_period`, { cause: error });
  });
  const time = keepTime
    ? `own time ${timeText(outline.timeNanos)}`
    : outline.timeNanos <= 0n
      ? 'stamped now, it had no time of its own'
      : `stamped now, its own time was ${timeText(outline.timeNanos)}`;
  terminal.out(`pushed ${source.name} as ${labels.map(({ name, value }) => `${name}=${value}`).join(' ')} (${time})\n`);
  if (note !== '') terminal.err(`note: ${note}\n`);
  // The last value is the one that pprof tools show.
  const type = [
    labelValue(labels, '__name__'),
    outline.sampleTypes.at(-1),
    outline.sampleUnits.at(-1),
    outline.periodType,
    outline.periodUnit,
  ].join(':');
  // As the server calls a service that has no name.
  const service = labelValue(labels, 'service_name') || 'unknown_service';
  return `${type}${formatSelector([{ name: 'service_name', op: '=', value: service }])}`;
}

/** Below the millisecond a random part: the same file pushed twice is two profiles, and never a whole second. */
function nowNanos(): bigint {
  return BigInt(systemClock().nowMs()) * 1_000_000n + BigInt(randomInt(1, 1_000_000));
}

function timeText(nanos: bigint): string {
  return nanos <= 0n || nanos > 8_000_000_000_000_000_000n
    ? 'none'
    : new Date(Number(nanos / 1_000_000n)).toISOString();
}
