import { helpText, loadConfig, parseFlags, setting, type SettingsFor } from '@kiln/config';
import { decodePprof } from '@kiln/formats';
import { clipped } from '../clipped.ts';
import { amountText, nameText } from '@kiln/model';
import { functionSums, treeOfPprof, treeTotal, type FunctionSum } from '@kiln/query';
import { counted } from '../counted.ts';
import { shareOf } from '../flame/flame-tree.ts';
import { tableText } from '../table-text.ts';
import type { Command, Terminal } from '../terminal.ts';
import { mergedPprof } from './merged-pprof.ts';
import { csvText, jsonText, limitSetting, outputSetting } from './output.ts';
import { queryRemoteSettings } from './querier.ts';
import { rangeOf, rangeSettings, type Range } from './range.ts';
import { selectionHelp, selectionOf, tellEmpty, type Selection } from './selection.ts';

interface TopFlags {
  readonly limit: number;
  readonly sort: string;
  readonly output: string;
}

const settings: SettingsFor<TopFlags> = {
  limit: limitSetting('functions'),
  sort: setting({
    key: 'sort',
    yaml: null,
    type: 'string',
    default: 'self',
    choices: ['self', 'total'],
    meaning: 'Which column is largest first',
  }),
  output: outputSetting,
};
const schema = { top: settings, range: rangeSettings, remote: queryRemoteSettings };

/** `kiln query top`: the functions that cost most. */
export const topAction: Command = {
  name: 'top',
  synopsis: "'<type>{selector}' [--limit 20] [--sort self|total] [--from now-1h] [--to now] [--output table|json|csv]",
  summary: 'list the functions that cost most',
  example: "query top 'process_cpu:cpu:nanoseconds:cpu:nanoseconds{}' --limit 10",
  help: () =>
    `self is what a function spent itself, total what was spent in it and in what it called; a stack counts once however\n` +
    `often it recurs in it. Sums are of the whole profile, nothing is cut off.\n\n${selectionHelp}${helpText(schema)}`,
  run: top,
};

async function top(argv: readonly string[], terminal: Terminal): Promise<number> {
  const flags = parseFlags(schema, argv);
  const { top: wanted, range: times, remote } = loadConfig(schema, flags);
  const selection = selectionOf(flags.rest, 'top');
  const range = rangeOf(times);
  const bytes = await mergedPprof({ remote, terminal }, selection, range);
  const sums = bytes.length === 0 ? { functions: [], total: 0n } : sumsOf(bytes);
  if (sums.total === 0n) tellEmpty(selection, range, terminal);
  const sorted = sums.functions.toSorted(wanted.sort === 'self' ? bySelf : byTotal);
  const shown = wanted.limit === 0 ? sorted : sorted.slice(0, wanted.limit);
  if (wanted.output === 'json') terminal.out(jsonText(answer(selection, range, sums, shown)));
  else if (wanted.output === 'csv') {
    terminal.out(
      csvText([['function', 'self', 'total'], ...shown.map((one) => [one.name, `${one.self}`, `${one.total}`])]),
    );
  } else if (sums.total > 0n) terminal.out(table(selection, sums, shown, terminal));
  return 0;
}

/** The functions of a profile and the sum of all its stacks. */
interface FunctionSums {
  readonly functions: FunctionSum[];
  readonly total: bigint;
}

function sumsOf(pprof: Uint8Array): FunctionSums {
  const tree = treeOfPprof(decodePprof(pprof), 0);
  return { functions: functionSums(tree), total: treeTotal(tree) };
}

/** What --output json prints. */
function answer(
  { profileType, selector }: Selection,
  { startMs, endMs }: Range,
  sums: FunctionSums,
  shown: FunctionSum[],
) {
  return {
    profileType,
    selector,
    startMs,
    endMs,
    total: `${sums.total}`,
    functionCount: sums.functions.length,
    functions: shown.map(({ name, self, total }) => ({ name, self: `${self}`, total: `${total}` })),
  };
}

function table(
  { unit }: Selection,
  { functions, total }: FunctionSums,
  shown: FunctionSum[],
  terminal: Terminal,
): string {
  const share = (part: bigint): string => `${(shareOf(part, total) * 100).toFixed(1)}%`;
  const rows = shown.map((one) => [
    amountText(one.self, unit),
    share(one.self),
    amountText(one.total, unit),
    share(one.total),
    terminal.isScreen ? clipped(nameText(one.name), terminal.columns - NUMBERS_WIDTH) : nameText(one.name),
  ]);
  const left = functions.length - shown.length;
  const more = left === 0 ? '' : `${counted(left, 'more function')}: --limit 0 lists all\n`;
  return `${amountText(total, unit)} in all\n${tableText([['self', 'share', 'total', 'share', 'function'], ...rows])}${more}`;
}

/** Characters that the columns of numbers take at most, for common units. */
const NUMBERS_WIDTH = 40;

function bySelf(a: FunctionSum, b: FunctionSum): number {
  return larger(a.self, b.self) || larger(a.total, b.total) || (a.name < b.name ? -1 : 1);
}

function byTotal(a: FunctionSum, b: FunctionSum): number {
  return larger(a.total, b.total) || larger(a.self, b.self) || (a.name < b.name ? -1 : 1);
}

function larger(a: bigint, b: bigint): number {
  return a > b ? -1 : a < b ? 1 : 0;
}
