import { formatDuration, helpText, loadConfig, parseFlags, setting, type SettingsFor } from '@kiln/config';
import { amountText } from '@kiln/model';
import { withoutControls } from '../clipped.ts';
import { timeText } from '../table-text.ts';
import type { Command, Terminal } from '../terminal.ts';
import { fullest, gridOf, gridText, gridWidth, legendText } from './heatmap-grid.ts';
import { csvText, jsonText, limitSetting, tableOutputOf, tableOutputSettings, type TableOutput } from './output.ts';
import { intoFile } from './write-result.ts';
import { askQuerierJson, queryRemoteSettings } from './querier.ts';
import { rangeOf, rangeSettings, rangeText } from './range.ts';
import { selectionHelp, selectionOf, tellEmpty, tellNoSpans } from './selection.ts';
import { stepSeconds, stepsOf, type Steps } from './steps.ts';

interface HeatmapFlags extends TableOutput {
  readonly of: string;
  readonly by: readonly string[];
  readonly stepMs: number;
  readonly limit: number;
}

const settings: SettingsFor<HeatmapFlags> = {
  of: setting({
    key: 'of',
    yaml: null,
    type: 'string',
    default: 'profiles',
    choices: ['profiles', 'spans'],
    meaning: 'What to count: profiles, or samples of spans',
  }),
  by: setting({
    key: 'by',
    yaml: null,
    type: 'list',
    default: [],
    meaning: 'Labels by which to split; none draws one map of all',
  }),
  stepMs: setting({
    key: 'step',
    yaml: null,
    type: 'duration',
    default: 0,
    meaning: 'Width of a cell in time; 0 = at most 60 of them',
  }),
  limit: limitSetting('maps', 5, 'How many to draw of those that --by makes, most values first'),
  ...tableOutputSettings,
};
const schema = { heatmap: settings, range: rangeSettings, remote: queryRemoteSettings };

/** `kiln query heatmap`: how large single values are, over time. */
export const heatmapAction: Command = {
  name: 'heatmap',
  synopsis:
    "'<type>{selector}' [--of profiles|spans] [--by label,…] [--step 1m] [--from now-1h] [--to now] [--output table|json|csv] [-o FILE.csv]",
  summary: 'draw how large single profiles or spans are, over time',
  example: "query heatmap 'process_cpu:cpu:nanoseconds:cpu:nanoseconds{}' --by service_name",
  help: () =>
    `The values are cut into 20 sizes, of which each row tells the least; a cell is the step that ends at its time, and its shade tells how many values lie in it.\n\n${selectionHelp}${helpText(schema)}`,
  run: heatmap,
};

/** types.v1.HeatmapSeries in protobuf JSON. */
interface SeriesJson {
  readonly labels?: readonly { readonly name?: string; readonly value?: string }[];
  readonly slots?: readonly {
    readonly timestamp?: string;
    readonly yMin?: readonly number[];
    readonly counts?: readonly number[];
  }[];
}

async function heatmap(argv: readonly string[], screen: Terminal): Promise<number> {
  const flags = parseFlags(schema, argv);
  const { heatmap: wanted, range: times, remote } = loadConfig(schema, flags);
  const output = tableOutputOf(wanted);
  const terminal = intoFile(wanted.file, screen);
  const range = rangeOf(times);
  const asker = { remote, terminal };
  const selection = await selectionOf(flags.rest, 'heatmap', asker, range);
  const steps = stepsOf(range, wanted.stepMs);
  const isSpans = wanted.of === 'spans';
  const { series: all = [] } = await askQuerierJson<{ series?: readonly SeriesJson[] }>(asker, 'SelectHeatmap', {
    profileTypeID: selection.profileType,
    labelSelector: selection.selector,
    // A map of one step begins where it ends; a range has to be longer than that.
    start: Math.min(steps.firstMs, range.endMs - 1),
    end: range.endMs,
    step: stepSeconds(steps),
    groupBy: wanted.by,
    queryType: isSpans ? 'HEATMAP_QUERY_TYPE_SPAN' : 'HEATMAP_QUERY_TYPE_INDIVIDUAL',
  });
  if (all.length === 0) (isSpans ? tellNoSpans : tellEmpty)(selection, range, terminal);
  const series = wanted.limit === 0 ? all : all.slice(0, wanted.limit);
  const more = all.length - series.length;
  if (output === 'json') terminal.out(jsonText({ series, more }));
  else if (output === 'csv') terminal.out(csvText(cellRows(series, wanted.by)));
  else if (series.length > 0) {
    const counted = isSpans ? 'samples of spans' : 'profiles';
    terminal.out(`${counted} by value, ${rangeText(range)}, ${formatDuration(steps.stepMs)} a step\n`);
    terminal.out(mapsText(series, { by: wanted.by, steps, unit: selection.unit, terminal }));
    if (more > 0) terminal.out(`${more} more: --limit 0 draws all\n`);
  }
  return 0;
}

interface MapOptions {
  readonly by: readonly string[];
  readonly steps: Steps;
  readonly unit: string;
  readonly terminal: Terminal;
}

/** The maps below each other, all with the same rows and shades. */
function mapsText(
  series: readonly SeriesJson[],
  { by, steps, unit, terminal: { columns, colours } }: MapOptions,
): string {
  const from = (series[0]?.slots?.[0]?.yMin ?? []).map((value) => amountText(value, unit));
  // Sizes that cannot be told apart are one row.
  const labels = from.filter((label, row) => label !== from[row - 1]);
  const folded = (counts: readonly number[]): number[] => {
    const rows = labels.map(() => 0);
    for (let row = 0, to = -1; row < from.length; row++) {
      if (from[row] !== from[row - 1]) to++;
      rows[to]! += counts[row] ?? 0;
    }
    return rows;
  };
  const room = columns - Math.max(0, ...labels.map((label) => label.length)) - 1;
  const grids = series.map(({ slots = [] }) => {
    const own = slots.map(({ timestamp = '0', counts = [] }) => ({
      timeMs: Number(timestamp),
      counts: folded(counts),
    }));
    return gridOf(own, labels.length, steps, gridWidth(steps, room));
  });
  const most = fullest(grids);
  const maps = grids.map((grid, i) => {
    const head = by.length === 0 ? '' : `${withoutControls(namesOf(series[i]!, by).join('  '))}\n`;
    return head + gridText(grid, labels, steps, { most, colours });
  });
  return `${maps.join('')}${legendText(most, colours)}`;
}

function namesOf(series: SeriesJson, by: readonly string[]): string[] {
  return by.map((name) => `${name}=${valueOf(series, name)}`);
}

function valueOf({ labels = [] }: SeriesJson, wanted: string): string {
  return labels.find(({ name }) => name === wanted)?.value ?? '';
}

/** A row for each cell that has values. */
function cellRows(series: readonly SeriesJson[], by: readonly string[]): string[][] {
  const rows = series.flatMap((one) =>
    (one.slots ?? []).flatMap(({ timestamp = '0', yMin = [], counts = [] }) =>
      counts.flatMap((count, row) =>
        count === 0
          ? []
          : [[...by.map((name) => valueOf(one, name)), timeText(Number(timestamp)), `${yMin[row]}`, `${count}`]],
      ),
    ),
  );
  return [[...by, 'time', 'from', 'values'], ...rows];
}
