import { expect, test } from 'vitest';
import { long } from '../support/services.ts';
import { runIngestDifferential, runPushDifferential } from './request-differential.ts';

const count = long ? 10_000 : 1_000;

test('push messages, whole and broken: read as the oracle reads them, or refused', { timeout: 600_000 }, () => {
  const report = runPushDifferential('push', count);
  expect(report.differences).toEqual([]);
  expect(report.read).toBeGreaterThan(count / 2);
});

test('forms of /ingest: status, series, labels and sums are the oracle’s', { timeout: 600_000 }, async () => {
  const report = await runIngestDifferential('ingest', count);
  expect(report.differences).toEqual([]);
  expect(report.read).toBeGreaterThan(count / 5);
});
