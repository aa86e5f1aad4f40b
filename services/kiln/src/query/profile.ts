import { gzipSync } from 'node:zlib';
import { ConfigError, helpText, loadConfig, parseFlags, setting, type SettingsFor } from '@kiln/config';
import { flameBars } from '../flame/bars.ts';
import { flameTree, type FlameGraphJson } from '../flame/flame-tree.ts';
import { formatOfName, isPicture, pictureOf, unknownEnding } from '../flame/pictures.ts';
import type { Command, Terminal } from '../terminal.ts';
import type { Values } from '../values.ts';
import { aggregationSetting, askAverage, tellSummed } from './aggregation.ts';
import { chosenOf, chosenSettings, type Chosen } from './chosen.ts';
import { mergedPprof } from './merged-pprof.ts';
import { jsonText, maxNodesSetting } from './output.ts';
import { type Asker, askQuerierJson, queryRemoteSettings } from './querier.ts';
import { rangeOf, rangeSettings, rangeText, type Range } from './range.ts';
import { selectionHelp, selectionOf, tellEmpty, type Selection } from './selection.ts';
import { writeResult } from './write-result.ts';

interface ProfileFlags {
  readonly output: string;
  readonly file: string;
  readonly maxNodes: number;
  readonly aggregation: string;
}

const outputs = ['flamegraph', 'svg', 'collapsed', 'speedscope', 'pprof', 'json'];
const settings: SettingsFor<ProfileFlags> = {
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
      'File to write: .svg opens in any browser, .pb.gz is pprof, .txt collapsed stacks, .speedscope.json for speedscope, .json the flame graph as answered',
  }),
  aggregation: aggregationSetting,
  maxNodes: maxNodesSetting(
    'Nodes of the flame graph; 0 = the default of the server, for collapsed and speedscope all it gives',
  ),
};
const schema = { profile: settings, range: rangeSettings, chosen: chosenSettings, remote: queryRemoteSettings };

/** `kiln query profile`: one merged profile, in the terminal or in a file. */
export const profileAction: Command = {
  name: 'profile',
  synopsis:
    "'<type>{selector}' [--from now-1h] [--to now] [--span ID] [--aggregation sum|average] [--output flamegraph|svg|collapsed|speedscope|pprof|json] [-o FILE.svg]",
  summary: 'read one merged profile: bars in the terminal, or a file',
  example: `query profile 'process_cpu:cpu:nanoseconds:cpu:nanoseconds{service_name="my-app"}' -o cpu.svg`,
  help: () => `${selectionHelp}${helpText(schema)}`,
  run: profile,
};

/** Largest number of nodes that a server gives by default. */
const ALL_NODES = 1_048_576;

async function profile(argv: readonly string[], terminal: Terminal): Promise<number> {
  const flags = parseFlags(schema, argv);
  const { profile: wanted, range: times, chosen: chosenFlags, remote } = loadConfig(schema, flags);
  const chosen = chosenOf(chosenFlags);
  const range = rangeOf(times);
  const asker = { remote, terminal };
  const selection = await selectionOf(flags.rest, 'profile', asker, range);
  const output = outputOf(wanted);
  if (wanted.aggregation === 'average') refuseAverage(output, chosen);
  const result =
    output === 'pprof'
      ? gzipSync(await mergedPprof(asker, selection, range, chosen))
      : await graph(asker, selection, range, { ...wanted, output, chosen });
  if (output === 'pprof' || output === 'json') tellSummed(selection, wanted.aggregation, terminal);
  await writeResult(result, wanted.file, terminal);
  return 0;
}

async function graph(
  asker: Asker,
  selection: Selection,
  range: Range,
  wanted: ProfileFlags & { readonly chosen: Chosen },
): Promise<string> {
  const { profileType, selector, unit } = selection;
  const { output, file } = wanted;
  const { terminal } = asker;
  const maxNodes = wanted.maxNodes || (output === 'collapsed' || output === 'speedscope' ? ALL_NODES : 0);
  const isAverage = wanted.aggregation === 'average';
  const flamegraph = isAverage
    ? await averageGraph(asker, selection, { ...range, maxNodes })
    : await sumGraph(asker, selection, range, { maxNodes, ...wanted.chosen });
  if (output === 'json') return jsonText(flamegraph);
  const values: Values = { unit, scale: isAverage ? 1_000 : 1 };
  const root = flameTree(flamegraph, values);
  if (root.total === 0n) tellEmpty(selection, range, terminal);
  else tellSummed(selection, wanted.aggregation, terminal);
  if (isPicture(output)) return pictureOf(output, root, `${profileType}${selector} · ${rangeText(range)}`, values);
  if (root.total === 0n) return '';
  return flameBars(root, {
    columns: file === '' ? terminal.columns : 120,
    colours: file === '' && terminal.colours,
    values,
  });
}

async function sumGraph(
  asker: Asker,
  { profileType, selector }: Selection,
  { startMs, endMs }: Range,
  more: Chosen & { readonly maxNodes: number },
): Promise<FlameGraphJson> {
  const body = { profileTypeID: profileType, labelSelector: selector, start: startMs, end: endMs, ...more };
  const { flamegraph = {} } = await askQuerierJson<{ flamegraph?: FlameGraphJson }>(
    asker,
    'SelectMergeStacktraces',
    body,
  );
  return flamegraph;
}

async function averageGraph(
  asker: Asker,
  selection: Selection,
  wanted: Range & { readonly maxNodes: number },
): Promise<FlameGraphJson> {
  const { total, flamegraph } = await askAverage<{
    readonly total: string;
    readonly flamegraph: { readonly names: readonly string[]; readonly levels: readonly (readonly string[])[] };
  }>(asker, 'flamegraph', selection, wanted);
  return { names: flamegraph.names, levels: flamegraph.levels.map((values) => ({ values })), total };
}

function refuseAverage(output: string, chosen: Chosen): void {
  if (output === 'pprof')
    throw new ConfigError(
      '--aggregation average cannot be written as pprof, which holds whole numbers: name a .svg, .txt or .json',
    );
  if (Object.keys(chosen).length > 0)
    throw new ConfigError(
      '--aggregation average is of whole profiles: it goes with none of --span, --trace, --profile-id, --call-site',
    );
}

function outputOf({ output, file }: ProfileFlags): string {
  if (output !== '') return output;
  if (file === '') return 'flamegraph';
  const found = formatOfName(file);
  if (found === undefined) throw unknownEnding(file);
  return found;
}
