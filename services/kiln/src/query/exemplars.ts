import { helpText, loadConfig, parseFlags, setting, type SettingsFor } from '@kiln/config';
import { amountText } from '@kiln/model';
import { tableText, timeText } from '../table-text.ts';
import type { Command, Terminal } from '../terminal.ts';
import { csvText, jsonText, limitSetting, tableOutputOf, tableOutputSettings, type TableOutput } from './output.ts';
import { intoFile } from './write-result.ts';
import { askQuerierJson, queryRemoteSettings } from './querier.ts';
import { rangeOf, rangeSettings } from './range.ts';
import { selectionHelp, selectionOf, tellEmpty, tellNoSpans } from './selection.ts';
import { stepSeconds, stepsOf } from './steps.ts';

interface ExemplarFlags extends TableOutput {
  readonly of: string;
  readonly limit: number;
}

const settings: SettingsFor<ExemplarFlags> = {
  of: setting({
    key: 'of',
    yaml: null,
    type: 'string',
    default: 'profiles',
    choices: ['profiles', 'spans'],
    meaning: 'What to list: profiles, or samples of spans',
  }),
  limit: limitSetting('exemplars', 20, 'How many to list, of the largest of each step and size'),
  ...tableOutputSettings,
};
const schema = { exemplars: settings, range: rangeSettings, remote: queryRemoteSettings };

/** `kiln query exemplars`: single profiles, or spans, to look into. */
export const exemplarsAction: Command = {
  name: 'exemplars',
  synopsis:
    "'<type>{selector}' [--of profiles|spans] [--limit 20] [--from now-1h] [--to now] [--output table|json|csv] [-o FILE.csv]",
  summary: 'list single profiles or spans by what they cost, with the ids that query profile takes',
  example: "query exemplars 'process_cpu:cpu:nanoseconds:cpu:nanoseconds{}'",
  help: () =>
    `The range is cut into 60 steps, the values into 20 sizes: of each step and size the largest is listed.\n\n${selectionHelp}${helpText(schema)}`,
  run: exemplars,
};

interface ExemplarJson {
  readonly timestamp?: string;
  readonly value?: string;
  readonly profileId?: string;
  readonly spanId?: string;
  readonly traceId?: string;
}

async function exemplars(argv: readonly string[], screen: Terminal): Promise<number> {
  const flags = parseFlags(schema, argv);
  const { exemplars: wanted, range: times, remote } = loadConfig(schema, flags);
  const output = tableOutputOf(wanted);
  const terminal = intoFile(wanted.file, screen);
  const range = rangeOf(times);
  const asker = { remote, terminal };
  const selection = await selectionOf(flags.rest, 'exemplars', asker, range);
  const isSpans = wanted.of === 'spans';
  const answer = await askQuerierJson<{ series?: { slots?: { exemplars?: ExemplarJson[] }[] }[] }>(
    asker,
    'SelectHeatmap',
    {
      profileTypeID: selection.profileType,
      labelSelector: selection.selector,
      start: range.startMs,
      end: range.endMs,
      step: stepSeconds(stepsOf(range, 0)),
      queryType: isSpans ? 'HEATMAP_QUERY_TYPE_SPAN' : 'HEATMAP_QUERY_TYPE_INDIVIDUAL',
      exemplarType: isSpans ? 'EXEMPLAR_TYPE_SPAN' : 'EXEMPLAR_TYPE_INDIVIDUAL',
    },
  );
  const all = (answer.series ?? []).flatMap(({ slots = [] }) => slots.flatMap((slot) => slot.exemplars ?? []));
  if (all.length === 0) (isSpans ? tellNoSpans : tellEmpty)(selection, range, terminal);
  else if (wanted.limit === 0)
    terminal.err(`note: these are the largest of each step and size; ${wanted.of} below them are not listed\n`);
  const sorted = all.toSorted((a, b) => (BigInt(a.value ?? 0) > BigInt(b.value ?? 0) ? -1 : 1));
  const shown = wanted.limit === 0 ? sorted : sorted.slice(0, wanted.limit);
  if (output === 'json') {
    terminal.out(jsonText({ exemplars: shown, more: sorted.length - shown.length }));
    return 0;
  }
  const head = ['time', 'value', ...(isSpans ? ['span', 'trace'] : ['profile'])];
  const show = (value: string): string => (output === 'csv' ? value : amountText(BigInt(value), selection.unit));
  const rows = shown.map(({ timestamp = '0', value = '0', profileId = '', spanId = '', traceId = '' }) => [
    timeText(Number(timestamp)),
    show(value),
    ...(isSpans ? [spanId, traceId] : [profileId]),
  ]);
  if (output === 'csv') terminal.out(csvText([head, ...rows]));
  else if (rows.length > 0) {
    const left = sorted.length - shown.length;
    terminal.out(
      `${tableText([head, ...rows])}${left === 0 ? '' : `${left} more that are the largest of their step and size: --limit 0 lists them\n`}`,
    );
  }
  return 0;
}
