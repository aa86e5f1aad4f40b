import { gzipSync } from 'node:zlib';
import { ConfigError, helpText, loadConfig, parseFlags, setting, type SettingsFor } from '@kiln/config';
import { amountText, nameText } from '@kiln/model';
import { counted } from '../counted.ts';
import { diffPprof } from '../diff/diff-pprof.ts';
import { diffTree, functionChanges, type DiffJson, type DiffNode } from '../diff/diff-tree.ts';
import { clipped } from '../clipped.ts';
import { flameSvg } from '../flame/svg.ts';
import { tellSummed } from '../query/aggregation.ts';
import { chosenOf, chosenSettings } from '../query/chosen.ts';
import { mergedPprof } from '../query/merged-pprof.ts';
import { jsonText, limitSetting, maxNodesSetting } from '../query/output.ts';
import { askQuerierJson, queryRemoteSettings } from '../query/querier.ts';
import { rangeOf, rangeSettings, rangeText, type Range } from '../query/range.ts';
import { selectionHelp, selectionOf, tellEmpty, type Selection } from '../query/selection.ts';
import { writeResult } from '../query/write-result.ts';
import { tableText } from '../table-text.ts';
import type { Command, Terminal } from '../terminal.ts';

interface DiffFlags {
  readonly baseFrom: string;
  readonly baseTo: string;
  readonly limit: number;
  readonly maxNodes: number;
  readonly output: string;
  readonly file: string;
}

const settings: SettingsFor<DiffFlags> = {
  baseFrom: setting({
    key: 'base-from',
    yaml: null,
    type: 'string',
    default: '',
    meaning: 'Start of the base; empty = --from',
  }),
  baseTo: setting({
    key: 'base-to',
    yaml: null,
    type: 'string',
    default: '',
    meaning: 'End of the base; empty = --to',
  }),
  limit: limitSetting('functions'),
  maxNodes: maxNodesSetting('Nodes of the graphs in svg and json; 0 = the default of the server'),
  output: setting({
    key: 'output',
    yaml: null,
    type: 'string',
    default: '',
    choices: ['', 'table', 'json', 'svg', 'pprof'],
    meaning: 'What to write; empty follows the name of the file, else table: functions, largest change first',
  }),
  file: setting({
    key: 'o',
    yaml: null,
    type: 'string',
    default: '',
    meaning: 'File to write: .svg grew red and shrank blue, .pb.gz as of go tool pprof -base, .json as answered',
  }),
};
const schema = { diff: settings, range: rangeSettings, chosen: chosenSettings, remote: queryRemoteSettings };

/** `kiln diff`: what changed between two selections, or two times of one. */
export const diffCommand: Command = {
  name: 'diff',
  synopsis:
    "['<type>{selector}' of the base] '<type>{selector}' [--base-from now-25h] [--base-to now-24h] [--from now-1h] [--to now] [--output table|json|svg|pprof] [-o FILE.svg]",
  summary: 'compare two merged profiles: a base and another, or two times of one',
  example: `diff 'process_cpu:cpu:nanoseconds:cpu:nanoseconds{service_name="my-app"}' -o diff.svg`,
  help: () =>
    `Compare this hour with the same hour of yesterday, or two versions:\n` +
    `  'process_cpu:cpu:nanoseconds:cpu:nanoseconds{service_name="shop"}' --base-from now-25h --base-to now-24h\n` +
    `  '<type>{version="1"}' '<type>{version="2"}'\n\n${selectionHelp}${helpText(schema)}`,
  run: diff,
};

/** Largest number of nodes that a server gives by default: a table is of everything. */
const ALL_NODES = 1_048_576;

async function diff(argv: readonly string[], terminal: Terminal): Promise<number> {
  const flags = parseFlags(schema, argv);
  const { diff: wanted, range: times, chosen: chosenFlags, remote } = loadConfig(schema, flags);
  const { rest } = flags;
  if (rest.length === 0 || rest.length > 2) {
    const found = rest.length === 0 ? 'nothing' : `${rest.length} words`;
    throw new ConfigError(`diff takes one or two '<type>{selector}', the selectors in quotes: found ${found}`);
  }
  const range = rangeOf(times);
  const baseRange = rangeOf({ from: wanted.baseFrom || times.from, to: wanted.baseTo || times.to });
  const chosen = chosenOf(chosenFlags);
  const asker = { remote, terminal };
  const now = await selectionOf(rest.slice(-1), 'diff', asker, range);
  const base = rest.length === 2 ? await selectionOf(rest.slice(0, 1), 'diff', asker, baseRange) : now;
  const output = outputOf(wanted);
  tellSummed(now, '', terminal, 'ranges');
  if (output === 'pprof') {
    const left = await mergedPprof(asker, base, baseRange, chosen);
    const right = await mergedPprof(asker, now, range, chosen);
    await writeResult(gzipSync(diffPprof(left, right)), wanted.file, terminal);
    return 0;
  }
  const maxNodes = wanted.maxNodes || (output === 'table' ? ALL_NODES : 0);
  const side = ({ profileType, selector }: Selection, { startMs, endMs }: Range): object => ({
    profileTypeID: profileType,
    labelSelector: selector,
    start: startMs,
    end: endMs,
    maxNodes,
    ...chosen,
  });
  const { flamegraph = {} } = await askQuerierJson<{ flamegraph?: DiffJson }>(asker, 'Diff', {
    left: side(base, baseRange),
    right: side(now, range),
  });
  const root = diffTree(flamegraph);
  if (root.base.total === 0n) tellEmpty(base, baseRange, terminal);
  if (root.now.total === 0n) tellEmpty(now, range, terminal);
  const title = `${now.profileType}${now.selector} ${rangeText(range)} · base ${base.selector} ${rangeText(baseRange)}`;
  const text =
    output === 'json'
      ? jsonText(flamegraph)
      : output === 'svg'
        ? flameSvg(
            root,
            title,
            { unit: now.unit, scale: 1 },
            { colour: colourOf, hover: (node) => hoverText(node, root, now.unit) },
          )
        : tableOf(root, now.unit, wanted.limit, terminal);
  await writeResult(text, wanted.file, terminal);
  return 0;
}

function outputOf({ output, file }: DiffFlags): string {
  if (output !== '') return output;
  if (/\.svg$/i.test(file)) return 'svg';
  if (/\.(pb|pprof|prof)(\.gz)?$/i.test(file)) return 'pprof';
  return /\.json$/i.test(file) ? 'json' : 'table';
}

/** By share of its own whole, so that two ranges of different length compare: red where it grew, blue where it shrank, the stronger the more. */
function colourOf(node: DiffNode, root: DiffNode): string {
  const [before, after] = [share(node.base.total, root.base.total), share(node.now.total, root.now.total)];
  const change = before + after === 0 ? 0 : (after - before) / Math.max(before, after);
  if (Math.abs(change) < 0.005) return 'hsl(0 0% 88%)';
  return `hsl(${change > 0 ? 4 : 214} 78% ${(90 - Math.abs(change) * 32).toFixed(0)}%)`;
}

function hoverText({ name, base, now }: DiffNode, root: DiffNode, unit: string): string {
  const side = (value: bigint, all: bigint): string => `${amountText(value, unit)} (${percent(share(value, all))})`;
  return `${name}: ${side(base.total, root.base.total)} → ${side(now.total, root.now.total)}`;
}

function tableOf(root: DiffNode, unit: string, limit: number, terminal: Terminal): string {
  const changes = functionChanges(root).filter((one) => one.self !== one.baseSelf || one.total !== one.baseTotal);
  const shown = limit === 0 ? changes : changes.slice(0, limit);
  const difference = (now: bigint, base: bigint): string =>
    `${now < base ? '-' : '+'}${amountText(now < base ? base - now : now - base, unit)}`;
  const rows = shown.map((one) => [
    difference(one.self, one.baseSelf),
    amountText(one.self, unit),
    difference(one.total, one.baseTotal),
    amountText(one.total, unit),
    terminal.isScreen ? clipped(nameText(one.name), terminal.columns - NUMBERS_WIDTH) : nameText(one.name),
  ]);
  const left = changes.length - shown.length;
  const more = left === 0 ? '' : `${counted(left, 'more function')} changed: --limit 0 lists all\n`;
  const head = `${amountText(root.base.total, unit)} → ${amountText(root.now.total, unit)} in all, ${difference(root.now.total, root.base.total)}\n`;
  return `${head}${tableText([['self', 'now', 'total', 'now', 'function'], ...rows])}${more}`;
}

/** Characters that the columns of numbers take at most, for common units. */
const NUMBERS_WIDTH = 48;

function share(part: bigint, all: bigint): number {
  return all === 0n ? 0 : Number(part) / Number(all);
}

function percent(value: number): string {
  return `${(value * 100).toFixed(2)}%`;
}
