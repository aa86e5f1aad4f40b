import { setting, type Setting } from '@kiln/config';

/** `--output` of the questions that are answered by a table. */
export const outputSetting: Setting<'string'> = setting({
  key: 'output',
  yaml: null,
  type: 'string',
  default: 'table',
  choices: ['table', 'json', 'csv'],
  meaning: 'table is for people; csv and json hold every value in full, 64-bit integers in json as strings',
});

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
