import { mergePage, openPart, PageBuilder, readDirectory, type DatasetTables } from '@kiln/block';
import { ExactSums, type ExactColumn } from '@kiln/model';
import { finishQuery, newQueryMerge, type Query } from '@kiln/query';
import { nodeCodecs } from '../../services/ingester/src/worker/node-codecs.ts';
import { interleave, median, row, type Effort, type Row } from './measure.ts';
import { tenant, type HourHead } from './pipeline.ts';

const STACKS = 6_000;
const PROFILES = 4_800;
const PER_PROFILE = 400;

/** Raw merge of sample pages, milliseconds per million samples, beside a plain loop over as many doubles. */
export function mergeRows(random: () => number, effort: Effort): Row[] {
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
  const times = interleave(effort, {
    none: () => {
      for (const { bytes, rows } of pages) mergePage({ firstRow: 0, rows, bytes }, 1, undefined, sums);
    },
    zstd: () => {
      for (const { stored, rows, bytes } of pages) {
        mergePage({ firstRow: 0, rows, bytes: nodeCodecs.zstdDecompress(stored, bytes.length) }, 1, undefined, sums);
      }
    },
    loop: () => {
      for (let i = 0, to = 0; i < doubles.length; i++) {
        sums.lo[to]! += doubles[i]!;
        to = to + 1 === STACKS ? 0 : to + 1;
      }
    },
  });
  const perMillion = (ms: number): number => (ms / samples) * 1e6;
  const loops = (ms: readonly number[]): string => `${(median(ms) / median(times.loop)).toFixed(1)} plain loops`;
  return [
    row('raw merge, pages as they are', times.none.map(perMillion), 'ms/M samples', 4, loops(times.none)),
    row('raw merge, pages of zstd', times.zstd.map(perMillion), 'ms/M samples', 5, loops(times.zstd)),
    row(
      '  a plain loop over as many doubles',
      times.loop.map(perMillion),
      'ms/M samples',
      undefined,
      'to compare machines by',
    ),
  ];
}

/** The answer of one source, merged and finished in one thread as the querier does. */
function answer(query: Query, datasets: Iterable<DatasetTables>): unknown {
  const merge = newQueryMerge(query);
  merge.addDatasets(datasets);
  return finishQuery(query, merge);
}

/** Whole queries over a level-0 object: opening it, running, finishing. */
export function objectRows(object: Uint8Array, hour: HourHead, profileType: string, effort: Effort): Row[] {
  const { entries } = readDirectory(object, nodeCodecs, object.length);
  const { off, len } = entries[0]!;
  const tables = (): DatasetTables[] =>
    openPart(object.subarray(off, off + len), tenant, nodeCodecs).datasets.map((d) => d.tables());
  const range = { startMs: 0, endMs: 4e12, profileType, selector: '{}' };
  const graph: Query = { kind: 'stacktraces', format: 'flamegraph', maxNodes: 16_384, ...range };
  const times = interleave(effort, {
    graph: () => answer(graph, tables()),
  });
  return [
    row('head, per further profile and stack, symbols known', [hour.bytesPerSample], 'B', 1.6),
    row('level-0 object of an hour, per profile and stack', [object.length / hour.samples], 'B', 0.9),
    row(
      'flame graph, 1 service x 20 pods x 1 h, opened anew',
      times.graph,
      'ms',
      45,
      `${hour.profiles} profiles, ${(hour.samples / 1e6).toFixed(1)} M samples, object ${(object.length / 1024).toFixed(0)} KiB`,
    ),
  ];
}

const SERIES = 1_000;
const ROWS_PER_SERIES = 240;

/** SelectSeries over the row index alone: 1,000 series, an hour of a profile each 15 s; merged and finished. */
export function seriesRows(effort: Effort): Row[] {
  const length = SERIES * ROWS_PER_SERIES;
  const startMs = 1_800_000_000_000;
  const symbols = {
    strings: { length: 1, bytes: new Uint8Array(0), offsets: new Uint32Array(2) },
  } as DatasetTables['symbols'];
  const tables: DatasetTables = {
    service: 'shop',
    name: 'process_cpu',
    types: [{ type: 'cpu', unit: 'nanoseconds', periodType: '', periodUnit: '' }],
    minMs: startMs,
    maxMs: startMs + 3_600_000,
    series: Array.from({ length: SERIES }, (_, i) => [
      { name: '__name__', value: 'process_cpu' },
      { name: 'pod', value: `pod-${i}` },
      { name: 'service_name', value: 'shop' },
    ]),
    rows: {
      length,
      series: Uint32Array.from({ length }, (_, i) => i % SERIES),
      timeMs: Float64Array.from({ length }, (_, i) => startMs + Math.floor(i / SERIES) * 15_000 + 1),
      id: new Uint8Array(length * 8),
      offset: undefined,
      totals: [{ lo: Float64Array.from({ length }, (_, i) => (i + 1) * 10_000_000), hi: undefined }],
    },
    pages: [],
    symbols,
    spans: undefined,
  };
  const query = {
    kind: 'selectSeries',
    profileType: 'process_cpu:cpu:nanoseconds::',
    selector: '{}',
    startMs,
    endMs: startMs + 3_600_000,
    stepMs: 15_000,
    aggregation: 'sum',
    limit: 0,
  } as const;
  const ask = (groupBy: string[]): unknown => answer({ ...query, groupBy }, [tables]);
  const times = interleave(effort, { one: () => ask([]), many: () => ask(['pod']) });
  const perRow = (ms: number): number => (ms / length) * 1e6;
  return [
    row('SelectSeries, one group, per row', times.one.map(perRow), 'ns', 80),
    row('SelectSeries, 1,000 groups, per row', times.many.map(perRow), 'ns', 80, 'every row is a point of the answer'),
  ];
}
