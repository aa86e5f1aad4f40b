import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Row } from './measure.ts';

/** Medians of an earlier run: ratios and sizes alone, because times are of one machine. */
export interface Baseline {
  /** Day of the run, and of which Node. */
  readonly date: string;
  readonly node: string;
  readonly rows: Readonly<Record<string, number>>;
}

const path = join(import.meta.dirname, 'baseline.json');

export function readBaseline(): Baseline {
  return JSON.parse(readFileSync(path, 'utf8')) as Baseline;
}

/** @param date YYYY-MM-DD. */
export function writeBaseline(rows: readonly Row[], date: string): void {
  const kept = rows.filter(({ unit }) => !/^(µs|ms|ns)/.test(unit));
  const medians = Object.fromEntries(kept.map(({ name, median }) => [name.trim(), Number(median.toPrecision(3))]));
  const baseline: Baseline = { date, node: process.versions.node, rows: medians };
  writeFileSync(path, `${JSON.stringify(baseline, null, 2)}\n`);
}
