import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { row } from './measure.ts';
import { readmeRows, readmeTable } from './readme-table.ts';

const readme = readFileSync(join(import.meta.dirname, '../../README.md'), 'utf8');
const namesIn = (text: string): string[] =>
  [...text.matchAll(/^\| ([^|]+) \| [\d.]+ [^|]+ \|/gm)].map((match) => match[1]!);

test('the performance section of README has the rows that the bench makes for it', () => {
  const [, section] = /^## Performance\n([^]*?)^## /m.exec(readme)!;
  expect(namesIn(section!)).toEqual(readmeRows);
});

test('every row of README is one of the bench', () => {
  const sources = globSync('*-rows.ts', { cwd: import.meta.dirname }).map((file) =>
    readFileSync(join(import.meta.dirname, file), 'utf8'),
  );
  for (const name of readmeRows) expect(sources.filter((source) => source.includes(`'${name}'`)).length, name).toBe(1);
});

test('a row is its median, unit and target; one that is missing is an error', () => {
  const rows = readmeRows.map((name, i) => row(`  ${name}`, [1, 2.5, 4], 'G', i === 0 ? 3 : undefined));
  const table = readmeTable(rows);
  expect(table.split('\n')[2]).toBe(`| ${readmeRows[0]!} | 2.50 G | ≤ 3 |`);
  expect(namesIn(table)).toEqual(readmeRows);
  expect(() => readmeTable(rows.slice(1))).toThrow('was not measured');
});
