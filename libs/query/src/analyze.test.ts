import { crc32, zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import { mergeDatasets, openPart, writeBlock, type Codecs } from '@kiln/block';
import { formatSelector, parseTenantId } from '@kiln/model';
import fc from 'fast-check';
import { expect, it, vi } from 'vitest';
import type { AnalyzeQuery, ProfileStatsQuery } from './query.ts';
import { finishQuery, mergePartials, runQuery } from './run.ts';
import { conditions, datasets, range, runSpread, spread } from './test-support/arbitrary.ts';
import { cpuDataset } from './test-support/model.ts';
import { oracleRows } from './test-support/oracle.ts';
import { toTables } from './test-support/tables.ts';

vi.setConfig({ testTimeout: 60_000 });

it('the oldest and the newest row of a range are found, whatever the split', () => {
  fc.assert(
    fc.property(datasets, range, spread, (list, times, how) => {
      const query: ProfileStatsQuery = { kind: 'profileStats', ...times };
      const inRange = list
        .flatMap(({ rows }) => rows.map(({ timeMs }) => timeMs))
        .filter((timeMs) => timeMs >= times.startMs && timeMs <= times.endMs);
      const want = { oldestMs: Math.min(...inRange), newestMs: Math.max(...inRange) };
      expect(finishQuery(query, runSpread(query, list, how))).toEqual(want);
    }),
    { numRuns: 300 },
  );
});

it('an analysis counts the distinct series that have a value, whatever the split', () => {
  fc.assert(
    fc.property(datasets, range, conditions, spread, (list, times, wanted, how) => {
      const query: AnalyzeQuery = { kind: 'analyze', ...times, matchers: [formatSelector(wanted)] };
      // Labels of value types are not stored: series that differ in these alone are one. `__unit__` may be stored too, under the virtual one.
      const rows = oracleRows(
        list.map((one) => ({
          ...one,
          rows: one.rows.map((row) => ({ ...row, labels: row.labels.filter(({ name }) => name !== '__unit__') })),
        })),
        times.startMs,
        times.endMs,
        wanted,
      );
      const stored = rows.map(({ labels }) =>
        JSON.stringify(
          [...labels]
            .filter(([name]) => !/^__(?!name__)/.test(name))
            .map(String)
            .toSorted(),
        ),
      );
      const { series, heads, objects } = finishQuery(query, runSpread(query, list, how));
      const own = new Set(stored).size;
      if (list.every(({ rows: all }) => all.every(({ labels }) => labels.every(({ name }) => name !== '__unit__'))))
        expect(series).toBe(own);
      expect(series).toBeGreaterThanOrEqual(own);
      expect(heads.series).toBeGreaterThanOrEqual(series);
      expect(objects.sources).toBe(0);
    }),
    { numRuns: 300 },
  );
});

it('an analysis tells heads from objects, with the bytes of what is stored', () => {
  const codecs: Codecs = {
    crc32,
    zstdCompress: (bytes) => zstdCompressSync(bytes),
    zstdDecompress: (bytes, maxLength) => zstdDecompressSync(bytes, { maxOutputLength: Math.max(1, maxLength) }),
  };
  const tenant = parseTenantId('a');
  const head = toTables(cpuDataset({ 'main;a': 3n, 'main;b': 2n }));
  const [tables] = mergeDatasets([head], () => 0, 7, codecs).windows.values();
  const { bytes, entry } = writeBlock({ level: 2, blockId: new Uint8Array(16), tenant, datasets: [tables!] }, codecs);
  const part = openPart(bytes.subarray(entry.off, entry.off + entry.len), tenant, codecs);
  const query: AnalyzeQuery = { kind: 'analyze', startMs: 0, endMs: 2000, matchers: ['{service_name="api"}'] };
  const stored = part.datasets.map((dataset) => dataset.tables());
  const partials = [runQuery(query, [head]), runQuery(query, stored)];
  const { heads, objects, series } = finishQuery(query, mergePartials(query, partials));
  expect(series).toBe(1);
  expect(heads).toEqual({
    sources: 1,
    series: 1,
    rows: 1,
    samples: 0,
    indexBytes: 0,
    sampleBytes: 0,
    symbolBytes: 0,
  });
  expect(objects).toMatchObject({ sources: 1, series: 1, rows: 1, samples: 2 });
  const all = objects.indexBytes + objects.sampleBytes + objects.symbolBytes;
  expect(all).toBe(part.datasets[0]!.sections.reduce((sum, { len }) => sum + len, 0));
  const none = { ...query, matchers: ['{service_name="web"}'] };
  expect(runQuery(none, stored).length).toBe(0);
});
