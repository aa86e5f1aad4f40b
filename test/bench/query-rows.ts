import { mergePage, openPart, PageBuilder, readDirectory, type DatasetTables } from '@kiln/block';
import { ExactSums, type ExactColumn } from '@kiln/model';
import { finishQuery, runQuery, type Query } from '@kiln/query';
import { nodeCodecs } from '../../services/ingester/src/worker/node-codecs.ts';
import { interleave, row, type Row } from './measure.ts';
import { tenant } from './pipeline.ts';

const STACKS = 6_000;
const PROFILES = 4_800;
const PER_PROFILE = 400;

/** Raw merge of sample pages, milliseconds per million samples, beside a plain loop over as many doubles. */
export function mergeRows(random: () => number, rounds: number): Row[] {
  const builder = new PageBuilder(2);
  const pages: { bytes: Uint8Array; stored: Uint8Array; rows: number }[] = [];
  let samples = 0;
  const flush = (): void => {
    const bytes = builder.toBytes();
    pages.push({ bytes, stored: nodeCodecs.zstdCompress(bytes), rows: builder.rows });
    builder.clear();
  };
  for (let p = 0; p < PROFILES; p++) {
    const chosen = new Set<number>();
    while (chosen.size < PER_PROFILE) chosen.add(Math.floor(STACKS * random() ** 3));
    const stack = Uint32Array.from(chosen).sort((a, b) => a - b);
    const counts = Float64Array.from(stack, () => (random() < 0.7 ? 1 : 2 + Math.floor(random() * 20)));
    const values: ExactColumn[] = [
      { lo: counts, hi: undefined },
      { lo: counts.map((count) => count * 10_000_000), hi: undefined },
    ];
    builder.add(stack, values, stack.length);
    samples += stack.length;
    if (builder.byteLength >= 256 * 1024) flush();
  }
  if (builder.rows > 0) flush();
  const doubles = new Float64Array(samples).fill(3);
  const sums = new ExactSums(STACKS);
  const times = interleave(rounds, {
    none: () => {
      for (const { bytes, rows } of pages) mergePage({ firstRow: 0, rows, bytes }, 1, undefined, sums);
    },
    zstd: () => {
      for (const { stored, rows, bytes } of pages) {
        mergePage({ firstRow: 0, rows, bytes: nodeCodecs.zstdDecompress(stored, bytes.length) }, 1, undefined, sums);
      }
    },
    loop: () => {
      for (let i = 0; i < doubles.length; i++) sums.lo[i % STACKS]! += doubles[i]!;
    },
  });
  const perMillion = (ms: number): number => (ms / samples) * 1e6;
  return [
    row('raw merge, pages as they are', times.none.map(perMillion), 'ms/M samples', 4),
    row('raw merge, pages of zstd', times.zstd.map(perMillion), 'ms/M samples', 5),
    row(
      '  a plain loop over as many doubles',
      times.loop.map(perMillion),
      'ms/M samples',
      undefined,
      'to compare machines by',
    ),
  ];
}

/** Whole queries over a level-0 object: opening it, running, finishing. */
export function objectRows(object: Uint8Array, profileType: string, rounds: number): Row[] {
  const { entries } = readDirectory(object, nodeCodecs, object.length);
  const { off, len } = entries[0]!;
  const tables = (): DatasetTables[] =>
    openPart(object.subarray(off, off + len), tenant, nodeCodecs).datasets.map((d) => d.tables());
  const range = { startMs: 0, endMs: 4e12, profileType, selector: '{}' };
  const graph: Query = { kind: 'stacktraces', format: 'flamegraph', maxNodes: 16_384, ...range };
  const rows = tables().reduce((sum, { rows: { length } }) => sum + length, 0);
  const { minMs, maxMs } = entries[0]!;
  const series: Query = {
    kind: 'selectSeries',
    ...range,
    startMs: minMs,
    endMs: maxMs,
    stepMs: 15_000,
    groupBy: ['service_name'],
    aggregation: 'sum',
    limit: 0,
  };
  const opened = tables();
  for (const { rows: columns } of opened) columns.totals.forEach(({ lo }) => lo.length);
  const times = interleave(rounds, {
    graph: () => finishQuery(graph, runQuery(graph, tables())),
    series: () => {
      for (let i = 0; i < 20; i++) finishQuery(series, runQuery(series, opened));
    },
  });
  return [
    row(
      `flame graph of the corpus' object, ${(object.length / 1024).toFixed(0)} KiB, opened anew`,
      times.graph,
      'ms',
      45,
      'the target is for 1.9 M samples',
    ),
    row(
      'SelectSeries, per row',
      times.series.map((ms) => (ms / 20 / rows) * 1e6),
      'ns',
      80,
    ),
  ];
}
