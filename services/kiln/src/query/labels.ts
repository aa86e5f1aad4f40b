import { ConfigError, helpText, loadConfig, parseFlags } from '@kiln/config';
import { parseSelector } from '@kiln/model';
import { tableText } from '../table-text.ts';
import type { Command, Terminal } from '../terminal.ts';
import { csvText, jsonText, tableOutputOf, tableOutputSettings } from './output.ts';
import { intoFile } from './write-result.ts';
import { askQuerierJson, queryRemoteSettings } from './querier.ts';
import { furtherBack, hints, rangeOf, rangeSettings, rangeText } from './range.ts';

const schema = { output: tableOutputSettings, range: rangeSettings, remote: queryRemoteSettings };

/** `kiln query labels`: the names of labels, or the values of one. */
export const labelsAction: Command = {
  name: 'labels',
  synopsis: "[NAME] ['{selector}'] [--from now-1h] [--to now] [--output table|json|csv] [-o FILE.csv]",
  summary: 'list the names of labels, or the values of one, a line each',
  example: 'query labels service_name',
  help: () =>
    `With a selector only series that match it count:\n  kiln query labels pod '{service_name="my-app"}'\n\n${helpText(schema)}`,
  run: labels,
};

async function labels(argv: readonly string[], screen: Terminal): Promise<number> {
  const flags = parseFlags(schema, argv);
  const config = loadConfig(schema, flags);
  const output = tableOutputOf(config.output);
  const terminal = intoFile(config.output.file, screen);
  const { name, selector } = wordsOf(flags.rest);
  const range = rangeOf(config.range);
  const message = {
    ...(name === undefined ? {} : { name }),
    matchers: selector === undefined ? [] : [selector],
    start: range.startMs,
    end: range.endMs,
  };
  const method = name === undefined ? 'LabelNames' : 'LabelValues';
  const { names = [] } = await askQuerierJson<{ names?: readonly string[] }>(
    { remote: config.remote, terminal },
    method,
    message,
  );
  if (names.length === 0) {
    const what = name === undefined ? 'labels' : `values of the label ${name}`;
    terminal.err(`no ${what} of ${selector ?? 'any series'} from ${rangeText(range)}\n`);
    const other = name === undefined ? '' : `${terminal.command} query labels lists the names`;
    const hint = hints(other, furtherBack(range));
    if (hint !== '') terminal.err(`${hint}\n`);
  }
  const lines = names.map((text) => [text]);
  if (output === 'json') terminal.out(jsonText({ names }));
  else if (output === 'csv') terminal.out(csvText([[name ?? 'label'], ...lines]));
  else terminal.out(tableText(lines));
  return 0;
}

/** A word with a brace is a selector; the other one is a name. */
function wordsOf(words: readonly string[]): { name: string | undefined; selector: string | undefined } {
  const selectors = words.filter((word) => word.includes('{'));
  const names = words.filter((word) => !word.includes('{'));
  if (selectors.length > 1 || names.length > 1) {
    throw new ConfigError(
      `query labels takes at most one name and one '{selector}': found ${words.map((word) => JSON.stringify(word)).join(' ')}`,
    );
  }
  if (selectors[0] !== undefined) parseSelector(selectors[0]);
  return { name: names[0], selector: selectors[0] };
}
