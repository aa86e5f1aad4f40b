import { formatDuration, helpText, loadConfig, parseFlags, setting, type SettingsFor } from '@kiln/config';
import { amountText } from '@kiln/model';
import { tableText } from '../table-text.ts';
import type { Command, Terminal } from '../terminal.ts';
import { tellSummed } from './aggregation.ts';
import { csvText, jsonText, tableFileSetting, tableOutputOf, type TableOutput } from './output.ts';
import { intoFile } from './write-result.ts';
import { askQuerierJson, queryRemoteSettings } from './querier.ts';
import { rangeOf, rangeSettings, rangeText } from './range.ts';
import { MIN_CELLS, pointRows, sparklineRoom, sparklineRows, type Line } from './series-rows.ts';
import { stepSeconds, stepsOf } from './steps.ts';
import { selectionHelp, selectionOf, tellEmpty } from './selection.ts';

interface SeriesFlags extends TableOutput {
  readonly by: readonly string[];
  readonly stepMs: number;
  readonly aggregation: string;
}

const settings: SettingsFor<SeriesFlags> = {
  by: setting({
    key: 'by',
    yaml: null,
    type: 'list',
    default: [],
    meaning: 'Labels by which to split; none sums everything into one series',
  }),
  stepMs: setting({
    key: 'step',
    yaml: null,
    type: 'duration',
    default: 0,
    meaning: 'Time between two points; 0 = at most 60 points',
  }),
  aggregation: setting({
    key: 'aggregation',
    yaml: null,
    type: 'string',
    default: '',
    choices: ['', 'sum', 'average'],
    meaning:
      'A point is the sum, or the mean, of the profiles of its step. Empty is sum, and tells on stderr where the mean says more',
  }),
  output: setting({
    key: 'output',
    yaml: null,
    type: 'string',
    default: '',
    choices: ['', 'sparkline', 'table', 'json', 'csv'],
    meaning:
      'sparkline is a line for each series, table one for each point; empty follows the name of the file, else takes what fits. json is as answered, csv holds plain numbers',
  }),
  file: tableFileSetting,
};
const schema = { series: settings, range: rangeSettings, remote: queryRemoteSettings };

/** `kiln query series`: how much, over time. */
export const seriesAction: Command = {
  name: 'series',
  synopsis:
    "'<type>{selector}' [--by label,…] [--step 1m] [--aggregation sum|average] [--from now-1h] [--to now] [--output sparkline|table|json|csv] [-o FILE.csv]",
  summary: 'show how much over time, split by labels',
  example: "query series 'process_cpu:cpu:nanoseconds:cpu:nanoseconds{}' --by service_name",
  help: () =>
    `A point is of the step that ends at its time; the last step ends at --to.\n\n${selectionHelp}${helpText(schema)}`,
  run: series,
};

/** querier.v1.SelectSeriesResponse in protobuf JSON. */
interface SeriesAnswer {
  readonly series?: readonly {
    readonly labels?: readonly { readonly name?: string; readonly value?: string }[];
    readonly points?: readonly { readonly value?: number; readonly timestamp?: string }[];
  }[];
}

async function series(argv: readonly string[], screen: Terminal): Promise<number> {
  const flags = parseFlags(schema, argv);
  const { series: wanted, range: times, remote } = loadConfig(schema, flags);
  const output = tableOutputOf(wanted);
  const terminal = intoFile(wanted.file, screen);
  const range = rangeOf(times);
  const asker = { remote, terminal };
  const selection = await selectionOf(flags.rest, 'series', asker, range);
  const steps = stepsOf(range, wanted.stepMs);
  if (wanted.stepMs === 0 && flags.given.has(settings.stepMs))
    terminal.err(`note: --step 0 is one that makes at most 60 points: ${formatDuration(steps.stepMs)}\n`);
  const answer = await askQuerierJson<SeriesAnswer>(asker, 'SelectSeries', {
    profileTypeID: selection.profileType,
    labelSelector: selection.selector,
    start: steps.firstMs,
    end: range.endMs,
    step: stepSeconds(steps),
    groupBy: wanted.by,
    ...(wanted.aggregation === 'average' ? { aggregation: 'TIME_SERIES_AGGREGATION_TYPE_AVERAGE' } : {}),
  });
  const lines = linesOf(answer, wanted.by);
  if (lines.length === 0) tellEmpty(selection, range, terminal);
  else tellSummed(selection, wanted.aggregation, terminal, 'step');
  const { by } = wanted;
  if (output === 'json') terminal.out(jsonText({ series: answer.series ?? [] }));
  else if (output === 'csv') terminal.out(csvText(pointRows(lines, by, String)));
  else if (lines.length > 0) {
    const show = (value: number): string => amountText(value, selection.unit);
    const options = { by, show, isMean: wanted.aggregation === 'average' };
    const room = sparklineRoom(lines, options, terminal.columns);
    if (output === 'table' || (output === '' && room < MIN_CELLS)) terminal.out(tableText(pointRows(lines, by, show)));
    else {
      terminal.out(`${rangeText(range)}, ${formatDuration(steps.stepMs)} a point\n`);
      terminal.out(tableText(sparklineRows(lines, { ...options, steps, cells: Math.max(room, MIN_CELLS) })));
    }
  }
  return 0;
}

function linesOf({ series: answered = [] }: SeriesAnswer, by: readonly string[]): Line[] {
  return answered.map(({ labels = [], points = [] }) => ({
    labels: by.map((wanted) => labels.find(({ name }) => name === wanted)?.value ?? ''),
    points: points.map(({ value = 0, timestamp = '0' }) => ({ timeMs: Number(timestamp), value })),
  }));
}
