import { ExactSums, parseTenantId } from '@kiln/model';
import { PageBuilder } from './page/page-builder.ts';
import { PageRows } from './page/page-rows.ts';
import { decodeRecord } from './record/record.ts';
import { RecordBuilder } from './record/record-builder.ts';
import type { DatasetTables, Page } from './tables.ts';
import {
  buildProfile,
  codecs,
  idOf,
  labelsOf,
  samplesText,
  spansText,
  type PlainProfile,
} from './testing.test-support.ts';

const tenant = parseTenantId('a');

/** Datasets as a head would hold them: rows of one record, `pageRows` to a page. */
export function tablesOf(
  profiles: readonly PlainProfile[],
  pageRows: number,
  profileId: (index: number) => Uint8Array = idOf,
): DatasetTables[] {
  const builder = new RecordBuilder({ tenant, receivedMs: 1, windowMs: 1 });
  profiles.forEach((profile, i) => builder.add(buildProfile(profile), profileId(i)));
  const record = decodeRecord(builder.finish(codecs), codecs);
  return record.datasets
    .filter(({ rows }) => rows.length > 0)
    .map((dataset) => {
      const { rows, profiles: own, types, series } = dataset;
      const decoded = new PageRows(dataset.page, types.length);
      const totals = types.map(() => new ExactSums(rows.length));
      const id = new Uint8Array(rows.length * 8);
      const timeMs = new Float64Array(rows.length);
      const pages: Page[] = [];
      let page = new PageBuilder(types.length);
      for (let row = 0; decoded.next(); row++) {
        const profile = rows.profile[row]!;
        id.set(own.id.subarray(profile * 16, profile * 16 + 8), row * 8);
        timeMs[row] = own.timeMs[profile]!;
        decoded.values.forEach(({ lo, hi }, t) => {
          for (let i = 0; i < decoded.length; i++) totals[t]!.add(row, lo[i]!, hi === undefined ? 0 : hi[i]!);
        });
        page.add(decoded.stack, decoded.values, decoded.length);
        if (page.rows === pageRows || row === rows.length - 1) {
          pages.push({ firstRow: row + 1 - page.rows, rows: page.rows, bytes: page.toBytes() });
          page = new PageBuilder(types.length);
        }
      }
      return {
        service: dataset.service,
        name: dataset.name,
        types,
        minMs: Math.min(...timeMs),
        maxMs: Math.max(...timeMs),
        series,
        rows: {
          length: rows.length,
          series: rows.series,
          timeMs,
          id,
          offset: Float64Array.from(timeMs, (_, i) => 5 + i * 2),
          totals,
        },
        pages,
        symbols: record.symbols,
        spans: dataset.spans,
      };
    });
}

/** All that a dataset says, as plain values. */
export function datasetContent(tables: DatasetTables): unknown {
  const { service, name, types, minMs, maxMs, series, rows, pages, symbols, spans } = tables;
  const samples: unknown[] = [];
  for (const page of pages) {
    const decoded = new PageRows(page, types.length, symbols.stacks.length);
    for (let row = page.firstRow; decoded.next(); row++)
      samples.push([
        row,
        labelsOf(series[rows.series[row]!]!),
        rows.timeMs[row],
        [...rows.id.subarray(row * 8, row * 8 + 8)],
        rows.offset?.[row],
        rows.totals.map(({ lo, hi }) => [lo[row], hi?.[row] ?? 0]),
        samplesText(symbols, decoded),
      ]);
  }
  return {
    service,
    name,
    types,
    minMs,
    maxMs,
    series: series.map(labelsOf),
    samples,
    spans: spansText(symbols, spans),
  };
}
