import { helpText, loadConfig, parseFlags } from '@kiln/config';
import { amountText } from '@kiln/model';
import { tableText } from '../table-text.ts';
import type { Command, Terminal } from '../terminal.ts';
import { csvText, jsonText, tableOutputOf, tableOutputSettings } from './output.ts';
import { intoFile } from './write-result.ts';
import { askQuerierJson, queryRemoteSettings } from './querier.ts';
import { rangeOf, rangeSettings } from './range.ts';
import { selectionHelp, selectionOf } from './selection.ts';

const schema = { analyze: tableOutputSettings, range: rangeSettings, remote: queryRemoteSettings };

/** `kiln query analyze`: what a query of that selection would have to look at. */
export const analyzeAction: Command = {
  name: 'analyze',
  synopsis: "'<type>{selector}' [--from now-1h] [--to now] [--output table|json|csv] [-o FILE.csv]",
  summary: 'tell what a query would have to look at, without reading samples',
  example: "query analyze 'process_cpu:cpu:nanoseconds:cpu:nanoseconds{}'",
  help: () =>
    `Bytes and samples are of the datasets that hold the selection: no query reads more. Of short term storage, which is\n` +
    `in memory, they are not known: -, and empty in csv.\n\n${selectionHelp}${helpText(schema)}`,
  run: analyze,
};

/** querier.v1.QueryScope in protobuf JSON. */
type ScopeJson = Readonly<Record<string, string | undefined>>;

const counted = ['blockCount', 'seriesCount', 'profileCount'];
/** Known of what is stored. */
const measured = [
  ['sampleCount', 'count'],
  ['indexBytes', 'bytes'],
  ['profileBytes', 'bytes'],
  ['symbolBytes', 'bytes'],
] as const;

/** Heads count their profiles only: nothing else is told of profiles that lie in no object yet. */
function isUnknown(scope: ScopeJson, name: string): boolean {
  return (
    [scope[name], scope['sampleCount']].every((value) => (value ?? '0') === '0') &&
    (scope['profileCount'] ?? '0') !== '0'
  );
}

async function analyze(argv: readonly string[], screen: Terminal): Promise<number> {
  const flags = parseFlags(schema, argv);
  const { analyze: wanted, range: times, remote } = loadConfig(schema, flags);
  const output = tableOutputOf(wanted);
  const terminal = intoFile(wanted.file, screen);
  const range = rangeOf(times);
  const asker = { remote, terminal };
  const { profileType, selector } = await selectionOf(flags.rest, 'analyze', asker, range);
  const answer = await askQuerierJson<{ queryScopes?: ScopeJson[] }>(asker, 'AnalyzeQuery', {
    start: range.startMs,
    end: range.endMs,
    query: `${profileType}${selector}`,
  });
  if (output === 'json') {
    terminal.out(jsonText(answer));
    return 0;
  }
  const head = ['where', 'blocks', 'series', 'profiles', 'samples', 'index', 'sample pages', 'symbols'];
  const show = (value: string, unit: string): string => (output === 'csv' ? value : amountText(BigInt(value), unit));
  const rows = (answer.queryScopes ?? []).map((scope) => [
    scope['componentType'] ?? '',
    ...counted.map((name) => show(scope[name] ?? '0', 'count')),
    ...measured.map(([name, unit]) =>
      isUnknown(scope, name) ? (output === 'csv' ? '' : '-') : show(scope[name] ?? '0', unit),
    ),
  ]);
  terminal.out(output === 'csv' ? csvText([head, ...rows]) : tableText([head, ...rows]));
  return 0;
}
