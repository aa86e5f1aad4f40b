import type { Row } from './measure.ts';
import { show } from './table.ts';

/** The rows that README shows, by their names in the bench: ratios and sizes alone, because times are of one machine. */
export const readmeRows: readonly string[] = [
  'ingest: pushed bytes to head',
  'HTTP push, whole process: CPU less that of receiving',
  'seal and symbols',
  'head, per further profile and stack, symbols known',
  'level-0 object of an hour, per profile and stack',
];

/**
 * Those rows as the Markdown table of README.
 * @throws Error when one was not measured: README would lose it without a word.
 */
export function readmeTable(rows: readonly Row[]): string {
  const lines = readmeRows.map((wanted) => {
    const found = rows.find(({ name }) => name.trim() === wanted);
    if (found === undefined) throw new Error(`README shows the row ${JSON.stringify(wanted)}, which was not measured`);
    const { median, unit, target } = found;
    return `| ${wanted} | ${show(median)} ${unit} | ${target === undefined ? '' : `≤ ${target}`} |\n`;
  });
  return `| Node ${process.versions.node} | measured | target |\n|---|--:|--:|\n${lines.join('')}`;
}
