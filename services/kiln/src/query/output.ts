import { ConfigError, setting, type Setting, type SettingsFor } from '@kiln/config';

/** How the questions are answered that have a table for an answer. */
export interface TableOutput {
  readonly output: string;
  /** '' is the terminal. */
  readonly file: string;
}

/** `-o` of those questions. */
export const tableFileSetting: Setting<'string'> = setting({
  key: 'o',
  yaml: null,
  type: 'string',
  default: '',
  meaning: 'File to write: .csv and .json as --output has them, .txt what the terminal would show',
});

/** `--output` and `-o`. */
export const tableOutputSettings: SettingsFor<TableOutput> = {
  output: setting({
    key: 'output',
    yaml: null,
    type: 'string',
    default: '',
    choices: ['', 'table', 'json', 'csv'],
    meaning:
      'table is for people; csv and json hold every value in full, 64-bit integers in json as strings; empty follows the name of the file, else table',
  }),
  file: tableFileSetting,
};

/** What to write; '' where neither flag says it. @throws ConfigError for a file whose ending says nothing. */
export function tableOutputOf({ output, file }: TableOutput): string {
  if (output !== '' || file === '' || /\.txt$/i.test(file)) return output;
  const ending = /\.(csv|json)$/i.exec(file)?.[1];
  if (ending === undefined)
    throw new ConfigError(`${file} has no ending that says what to write: .csv, .json, .txt, or add --output`);
  return ending.toLowerCase();
}

/** `--limit` of a list. @param unit what it lists. */
export function limitSetting(unit: string, atFirst = 20, meaning = 'How many to list'): Setting<'int'> {
  return setting({ key: 'limit', yaml: null, type: 'int', default: atFirst, unit, meaning: `${meaning}; 0 = all` });
}

/** `--max-nodes` of what is drawn as a graph. */
export function maxNodesSetting(meaning: string): Setting<'int'> {
  return setting({ key: 'max-nodes', yaml: null, type: 'int', default: 0, unit: 'nodes', meaning });
}

/** Rows as CSV (RFC 4180, lines end with LF): the first one is the head. */
export function csvText(rows: readonly (readonly string[])[]): string {
  const cell = (text: string): string => (/[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
  return rows.map((row) => `${row.map(cell).join(',')}\n`).join('');
}

/** A value as indented JSON. */
export function jsonText(value: unknown): string {
  return `${JSON.stringify(value, undefined, 2)}\n`;
}
