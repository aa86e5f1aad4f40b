import { ConfigError, nearest } from '@kiln/config';
import { analyzeAction } from '../query/analyze.ts';
import { exemplarsAction } from '../query/exemplars.ts';
import { heatmapAction } from '../query/heatmap.ts';
import { labelsAction } from '../query/labels.ts';
import { profileAction } from '../query/profile.ts';
import { seriesAction } from '../query/series.ts';
import { topAction } from '../query/top.ts';
import { typesAction } from '../query/types.ts';
import type { Command, Terminal } from '../terminal.ts';

const actions: readonly Command[] = [
  profileAction,
  topAction,
  seriesAction,
  exemplarsAction,
  heatmapAction,
  typesAction,
  labelsAction,
  analyzeAction,
];
const names = actions.map(({ name }) => name);

/** `kiln query`: everything that is asked of a running Kiln; each question is a file in `query/`. */
export const queryCommand: Command = {
  name: 'query',
  synopsis: names.join('|'),
  summary: 'ask a running Kiln',
  actions,
  help: () => '',
  run: query,
};

function query(argv: readonly string[], terminal: Terminal): Promise<number> {
  // Flags may stand before the question.
  const at = argv[0]?.startsWith('-') ? argv.findIndex((word) => names.includes(word)) : 0;
  const action = actions.find(({ name }) => name === argv[at]);
  if (action === undefined) throw unknown(at < 0 ? undefined : argv[at]);
  return action.run(argv.toSpliced(at, 1), terminal);
}

function unknown(word: string | undefined): ConfigError {
  const found = word === undefined ? 'nothing' : JSON.stringify(word);
  const near = word === undefined ? undefined : nearest(word, names);
  const hint = near === undefined ? '' : `: did you mean ${near}?`;
  return new ConfigError(`query takes ${names.join(', ')}; found ${found}${hint}`);
}
