import { helpText, loadConfig, parseFlags, setting, type SettingsFor } from '@kiln/config';
import { decodePprof } from '@kiln/formats';
import { clipped } from '../clipped.ts';
import { nameText } from '@kiln/model';
import { functionSums, treeOfPprof, treeTotal, type FunctionSum } from '@kiln/query';
import { counted } from '../counted.ts';
import { shareOf } from '../flame/flame-tree.ts';
import { tableText } from '../table-text.ts';
import type { Command, Terminal } from '../terminal.ts';
import { valueDigits, valueOf, valueText, type Values } from '../values.ts';
import { aggregationSetting, askAverage, tellSummed } from './aggregation.ts';
import { mergedPprof } from './merged-pprof.ts';
import { csvText, jsonText, limitSetting, tableOutputOf, tableOutputSettings, type TableOutput } from './output.ts';
import { intoFile } from './write-result.ts';
import { queryRemoteSettings, type Asker } from './querier.ts';
import { rangeOf, rangeSettings, type Range } from './range.ts';
import { selectionHelp, selectionOf, tellEmpty, type Selection } from './selection.ts';

interface TopFlags extends TableOutput {
  readonly limit: number;
  readonly sort: string;
  readonly aggregation: string;
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
  aggregation: aggregationSetting,
  ...tableOutputSettings,
};
const schema = { top: settings, range: rangeSettings, remote: queryRemoteSettings };

/** `kiln query top`: the functions that cost most. */
export const topAction: Command = {
  name: 'top',
  synopsis:
    "'<type>{selector}' [--limit 20] [--sort self|total] [--aggregation sum|average] [--from now-1h] [--to now] [--output table|json|csv] [-o FILE.csv]",
  summary: 'list the functions that cost most',
  example: "query top 'process_cpu:cpu:nanoseconds:cpu:nanoseconds{}' --limit 10",
  help: () =>
    `self is what a function spent itself, total what was spent in it and in what it called; a stack counts once however\n` +
    `often it recurs in it. Sums are of the whole profile, nothing is cut off.\n\n${selectionHelp}${helpText(schema)}`,
  run: top,
};

async function top(argv: readonly string[], screen: Terminal): Promise<number> {
  const flags = parseFlags(schema, argv);
  const { top: wanted, range: times, remote } = loadConfig(schema, flags);
  const output = tableOutputOf(wanted);
  const terminal = intoFile(wanted.file, screen);
  const range = rangeOf(times);
  const asker = { remote, terminal };
  const selection = await selectionOf(flags.rest, 'top', asker, range);
  const sums =
    wanted.aggregation === 'average'
      ? await averagesOf(asker, selection, range)
      : sumsOf(await mergedPprof(asker, selection, range));
  if (sums.total === 0n) tellEmpty(selection, range, terminal);
  else tellSummed(selection, wanted.aggregation, terminal);
  const sorted = sums.functions.toSorted(wanted.sort === 'self' ? bySelf : byTotal);
  const digits = (value: bigint): string => valueDigits(value, sums);
  const shown = wanted.limit === 0 ? sorted : sorted.slice(0, wanted.limit);
  if (output === 'json') terminal.out(jsonText(answer(selection, range, sums, shown)));
  else if (output === 'csv') {
    terminal.out(
      csvText([['function', 'self', 'total'], ...shown.map((one) => [one.name, digits(one.self), digits(one.total)])]),
    );
  } else if (sums.total > 0n) terminal.out(table(selection, sums, shown, terminal));
  return 0;
}

/** The functions of a profile and the sum of all its stacks. */
interface FunctionSums {
  readonly functions: FunctionSum[];
  readonly total: bigint;
  readonly scale: Values['scale'];
}

function sumsOf(pprof: Uint8Array): FunctionSums {
  if (pprof.length === 0) return { functions: [], total: 0n, scale: 1 };
  const tree = treeOfPprof(decodePprof(pprof), 0);
  return { functions: functionSums(tree), total: treeTotal(tree), scale: 1 };
}

/** Of the averages, which only the server can take. */
async function averagesOf(asker: Asker, selection: Selection, range: Range): Promise<FunctionSums> {
  const scale = 1_000;
  const { total, functions } = await askAverage<{
    readonly total: string;
    readonly functions: readonly { readonly name: string; readonly flat: Amount; readonly cum: Amount }[];
  }>(asker, 'top', selection, { ...range, limit: 0 });
  const sums = functions.map(({ name, flat, cum }) => ({
    name,
    self: valueOf(flat.value, { scale }),
    total: valueOf(cum.value, { scale }),
  }));
  return { functions: sums, total: valueOf(total, { scale }), scale };
}

interface Amount {
  readonly value: string;
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
    ...(sums.scale === 1 ? {} : { aggregation: 'average' }),
    total: valueDigits(sums.total, sums),
    functionCount: sums.functions.length,
    functions: shown.map(({ name, self, total }) => ({
      name,
      self: valueDigits(self, sums),
      total: valueDigits(total, sums),
    })),
  };
}

function table(
  { unit }: Selection,
  { functions, total, scale }: FunctionSums,
  shown: FunctionSum[],
  terminal: Terminal,
): string {
  const amount = (value: bigint): string => valueText(value, { unit, scale });
  const share = (part: bigint): string => `${(shareOf(part, total) * 100).toFixed(1)}%`;
  const rows = shown.map((one) => [
    amount(one.self),
    share(one.self),
    amount(one.total),
    share(one.total),
    terminal.isScreen ? clipped(nameText(one.name), terminal.columns - NUMBERS_WIDTH) : nameText(one.name),
  ]);
  const left = functions.length - shown.length;
  const more = left === 0 ? '' : `${counted(left, 'more function')}: --limit 0 lists all\n`;
  return `${amount(total)} in all\n${tableText([['self', 'share', 'total', 'share', 'function'], ...rows])}${more}`;
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
