import { ConfigError, helpText, loadConfig, parseFlags } from '@kiln/config';
import { tableText } from '../table-text.ts';
import type { Command, Terminal } from '../terminal.ts';
import { csvText, jsonText, tableOutputOf, tableOutputSettings } from './output.ts';
import { intoFile } from './write-result.ts';
import { askQuerierJson, queryRemoteSettings, type ProfileTypesJson } from './querier.ts';
import { furtherBack, hints, rangeOf, rangeSettings, rangeText } from './range.ts';

const schema = { output: tableOutputSettings, range: rangeSettings, remote: queryRemoteSettings };

/** `kiln query types`: which profile types there are. */
export const typesAction: Command = {
  name: 'types',
  synopsis: '[--from now-1h] [--to now] [--output table|json|csv] [-o FILE.csv]',
  summary: 'list the profile types, and what each is made of',
  example: 'query types --from now-24h',
  help: () => helpText(schema),
  run: types,
};

async function types(argv: readonly string[], screen: Terminal): Promise<number> {
  const flags = parseFlags(schema, argv);
  const config = loadConfig(schema, flags);
  const output = tableOutputOf(config.output);
  const terminal = intoFile(config.output.file, screen);
  if (flags.rest.length > 0)
    throw new ConfigError(`query types takes only flags, found ${JSON.stringify(flags.rest[0])}`);
  const range = rangeOf(config.range);
  const { profileTypes = [] } = await askQuerierJson<ProfileTypesJson>(
    { remote: config.remote, terminal },
    'ProfileTypes',
    {
      start: range.startMs,
      end: range.endMs,
    },
  );
  if (profileTypes.length === 0) {
    terminal.err(`no profiles at all from ${rangeText(range)}\n`);
    terminal.err(`${hints(furtherBack(range), `${terminal.command} push --example sends a first profile`)}\n`);
  }
  if (output === 'json') terminal.out(jsonText({ profileTypes }));
  else if (output === 'csv' || profileTypes.length > 0) {
    const rows = profileTypes.map(({ ID = '', name = '', sampleType, sampleUnit, periodType, periodUnit }) => [
      ID,
      name,
      pairText(sampleType, sampleUnit),
      pairText(periodType, periodUnit),
    ]);
    const table = [['profile type', 'name', 'sample type', 'period type'], ...rows];
    terminal.out(output === 'csv' ? csvText(table) : tableText(table));
  }
  return 0;
}

/** A value type: `cpu/nanoseconds`. */
function pairText(type = '', unit = ''): string {
  return type === '' && unit === '' ? '' : `${type}/${unit}`;
}
