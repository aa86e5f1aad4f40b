import { expect, test } from 'vitest';
import { long } from '../support/services.ts';
import { runDifferential, type DifferentialReport } from './pprof-differential.ts';

function show({ files, accepted, refused }: DifferentialReport): void {
  process.stdout.write(
    `fuzz: ${files} files, ${accepted} acceptable, refused ${JSON.stringify(Object.fromEntries(refused))}\n`,
  );
}

test('mutated pprofs of at most 32 KB: verdict, reason and every sum are the oracle’s', { timeout: 3_600_000 }, () => {
  const report = runDifferential({ seed: 'small', count: long ? 100_000 : 3_000, large: false });
  show(report);
  expect(report.differences).toEqual([]);
  expect(report.accepted / report.files).toBeGreaterThan(0.5);
});

test('larger ones too', { timeout: 3_600_000 }, () => {
  const report = runDifferential({ seed: 'large', count: long ? 2_000 : 50, large: true });
  show(report);
  expect(report.differences).toEqual([]);
  expect(report.accepted / report.files).toBeGreaterThan(0.5);
});
