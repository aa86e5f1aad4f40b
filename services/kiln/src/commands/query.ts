import { writeFile } from 'node:fs/promises';
import { gzipSync } from 'node:zlib';
import { systemClock } from '@kiln/async';
import { ByteWriter } from '@kiln/bytes';
import { ConfigError, helpText, loadConfig, parseFlags, setting, type Config, type SettingsFor } from '@kiln/config';
import { KilnError, parseProfileTypeId, parseSelector } from '@kiln/model';
import { flameBars } from '../flame/bars.ts';
import { collapsedStacks } from '../flame/collapsed.ts';
import { flameTree, type FlameGraphJson } from '../flame/flame-tree.ts';
import { flameSvg } from '../flame/svg.ts';
import { text } from '../push-message.ts';
import { callConnect, callConnectJson, remoteSettings, type Remote } from '../remote.ts';
import type { Command, Terminal } from '../terminal.ts';
import { parseTime } from '../time-text.ts';

interface QueryFlags {
  readonly from: string;
  readonly to: string;
  readonly output: string;
  readonly file: string;
  readonly maxNodes: number;
}

const outputs = ['flamegraph', 'svg', 'collapsed', 'pprof', 'json'];
const settings: SettingsFor<QueryFlags> = {
  from: setting({
    key: 'from',
    yaml: null,
    type: 'string',
    default: 'now-1h',
    meaning: 'Start: now-1h30m, 2026-11-25T10:00:00Z, or Unix seconds, milliseconds, microseconds or nanoseconds',
  }),
  to: setting({
    key: 'to',
    yaml: null,
    type: 'string',
    default: 'now',
    meaning: 'End, inclusive; written like --from',
  }),
  output: setting({
    key: 'output',
    yaml: null,
    type: 'string',
    default: '',
    choices: ['', ...outputs],
    meaning: 'What to write; empty follows the name of the file, else flamegraph: bars for the terminal',
  }),
  file: setting({
    key: 'o',
    yaml: null,
    type: 'string',
    default: '',
    meaning:
      'File to write: .svg opens in any browser, .pb.gz is pprof, .txt collapsed stacks, .json the flame graph as answered',
  }),
  maxNodes: setting({
    key: 'max-nodes',
    yaml: null,
    type: 'int',
    default: 0,
    unit: 'nodes',
    meaning: 'Nodes of the flame graph; 0 = the default of the server, for collapsed all it gives',
  }),
};
const schema = { query: settings, remote: remoteSettings };

/** `kiln query profile`: one merged profile, in the terminal or in a file. */
export const queryCommand: Command = {
  name: 'query',
  synopsis:
    "profile '<type>{selector}' [--from now-1h] [--to now] [--output flamegraph|svg|collapsed|pprof|json] [-o FILE.svg]",
  summary: 'read one merged profile: bars in the terminal, or a file',
  help: () =>
    `The type is name:sampleType:sampleUnit:periodType:periodUnit, for example\n  kiln query profile 'process_cpu:cpu:nanoseconds:cpu:nanoseconds{service_name="my-app"}'\n\n${helpText(schema)}`,
  run: query,
};

/** Largest number of nodes that a server gives by default. */
const ALL_NODES = 1_048_576;

interface Asked {
  readonly profileType: string;
  readonly selector: string;
  readonly startMs: number;
  readonly endMs: number;
}

async function query(argv: readonly string[], terminal: Terminal): Promise<number> {
  const flags = parseFlags(schema, argv);
  const config = loadConfig(schema, flags);
  const [what, target, ...more] = flags.rest;
  if (what !== 'profile' || target === undefined || more.length > 0) {
    throw new ConfigError("query takes: profile '<type>{selector}', the selector in quotes");
  }
  const asked = readTarget(target, config.query);
  const output = outputOf(config.query);
  const result =
    output === 'pprof' ? await readPprof(asked, config.remote) : await readGraph(asked, output, config, terminal);
  const { file } = config.query;
  if (file === '') {
    if (output === 'pprof' && terminal.isScreen)
      throw new ConfigError('pprof is no text for a screen: name a file with -o cpu.pb.gz');
    terminal.out(result);
  } else {
    await writeFile(file, result);
    terminal.err(`wrote ${file}\n`);
  }
  return 0;
}

async function readGraph(
  asked: Asked,
  output: string,
  config: Config<typeof schema>,
  terminal: Terminal,
): Promise<string> {
  const { profileType, selector, startMs, endMs } = asked;
  const maxNodes = config.query.maxNodes || (output === 'collapsed' ? ALL_NODES : 0);
  const request = { profileTypeID: profileType, labelSelector: selector, start: startMs, end: endMs, maxNodes };
  const method = 'querier.v1.QuerierService/SelectMergeStacktraces';
  const { flamegraph = {} } = (await callConnectJson(config.remote, method, request)) as {
    flamegraph?: FlameGraphJson;
  };
  if (output === 'json') return `${JSON.stringify(flamegraph, undefined, 2)}\n`;
  const root = flameTree(flamegraph);
  const { unit } = parseProfileTypeId(profileType);
  if (root.total === 0n)
    terminal.err(`no profiles of ${profileType}${selector} from ${iso(startMs)} to ${iso(endMs)}\n`);
  const title = `${profileType}${selector} · ${iso(startMs)} to ${iso(endMs)}`;
  if (output === 'svg') return flameSvg(root, title, unit);
  if (output === 'collapsed') return collapsedStacks(root);
  if (root.total === 0n) return '';
  const { file } = config.query;
  return flameBars(root, {
    columns: file === '' ? terminal.columns : 120,
    colours: file === '' && terminal.colours,
    unit,
  });
}

/** The answer of SelectMergeProfile is the pprof itself. */
async function readPprof({ profileType, selector, startMs, endMs }: Asked, remote: Remote): Promise<Uint8Array> {
  const request = new ByteWriter();
  text(request, 1, profileType);
  text(request, 2, selector);
  for (const [field, value] of [
    [3, startMs],
    [4, endMs],
  ] as const) {
    request.varint(field * 8);
    request.varint(value);
  }
  const body = { type: 'application/proto', bytes: request.toBytes() };
  return gzipSync(await callConnect(remote, 'querier.v1.QuerierService/SelectMergeProfile', body));
}

function readTarget(target: string, { from, to }: QueryFlags): Asked {
  const brace = target.indexOf('{');
  const profileType = brace < 0 ? target : target.slice(0, brace);
  const selector = brace < 0 ? '{}' : target.slice(brace);
  // Checked here too, so that a typing mistake is told without a server.
  parseProfileTypeId(profileType);
  parseSelector(selector);
  const nowMs = systemClock().nowMs();
  const startMs = timeOf('--from', from, nowMs);
  const endMs = timeOf('--to', to, nowMs);
  if (startMs > endMs) throw new ConfigError(`--from ${from} lies after --to ${to}`);
  return { profileType, selector, startMs, endMs };
}

function timeOf(flag: string, value: string, nowMs: number): number {
  const ms = parseTime(value, nowMs);
  if (ms !== undefined && ms > 0) return ms;
  throw new ConfigError(
    `${flag} is ${JSON.stringify(value)}, must be like now-1h, 2026-11-25T10:00:00Z or Unix seconds`,
  );
}

function outputOf({ output, file }: QueryFlags): string {
  if (output !== '') return output;
  if (file === '') return 'flamegraph';
  const byName = [
    [/\.svg$/i, 'svg'],
    [/\.(pb|pprof|prof)(\.gz)?$/i, 'pprof'],
    [/\.json$/i, 'json'],
    [/\.(txt|collapsed|folded)$/i, 'collapsed'],
  ] as const;
  const found = byName.find(([pattern]) => pattern.test(file))?.[1];
  if (found === undefined)
    throw new KilnError(
      'invalid_argument',
      `${file} has no ending that says what to write: .svg, .pb.gz, .txt, .json, or add --output`,
    );
  return found;
}

function iso(ms: number): string {
  return new Date(ms).toISOString().replace('.000Z', 'Z');
}
