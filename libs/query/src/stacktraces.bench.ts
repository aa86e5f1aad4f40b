/*
 * The flame graph and SelectSeries of engine.md §4 and §8 from raw pages, without decompression and JSON:
 *
 *   node --conditions=source libs/query/src/stacktraces.bench.ts
 *
 * One service, 20 series, 1.9 M samples (or 240,000 rows of 1,000 series), 6,000 stacks, a function tree of about 98,000 nodes,
 * cut to 16,384. Beside it a plain loop over as many doubles, to compare machines by.
 */
import { PageBuilder, type DatasetTables, type Page } from '@kiln/block';
import type { LabelSet, Symbols } from '@kiln/model';
import { Bench } from 'tinybench';
import type { SelectSeriesQuery, StacktracesQuery } from './query.ts';
import { finishQuery, mergePartials, runQuery } from './run.ts';
import { CPU, CPU_ID } from './test-support/model.ts';

const STACKS = 6000;
const NODES = 98_301;
const FUNCTIONS = 5000;

/** Seeded, so that every run measures the same. */
function makeRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 4294967296;
  };
}

/** Stacks that leave the tree so far at a random node and go on by some nodes of their own. */
function makeSymbols(random: () => number): Symbols {
  const names = Array.from(
    { length: FUNCTIONS },
    (_, i) => `github.com/example/service/pkg${i % 97}.(*Type${i % 31}).Method${i}`,
  );
  const encoded = new TextEncoder().encode(names.join(''));
  const offsets = new Uint32Array(FUNCTIONS + 2);
  for (const [i, name] of names.entries()) offsets[i + 2] = offsets[i + 1]! + name.length;
  const parent = new Uint32Array(NODES);
  const location = new Uint32Array(NODES);
  const leaf = new Uint32Array(STACKS);
  let nodes = 1;
  for (let stack = 0; stack < STACKS; stack++) {
    let node = stack === 0 ? 0 : leaf[Math.floor(random() * stack)]!;
    for (let up = Math.floor(random() * 40); up > 0; up--) node = parent[node]!;
    for (const end = Math.floor(((stack + 1) * (NODES - 1)) / STACKS) + 1; nodes < end; nodes++) {
      parent[nodes] = node;
      location[nodes] = Math.floor(random() * FUNCTIONS);
      node = nodes;
    }
    leaf[stack] = node;
  }
  const rows = Uint32Array.from({ length: FUNCTIONS + 1 }, (_, i) => i);
  return {
    strings: { length: FUNCTIONS + 1, bytes: encoded, offsets },
    functions: {
      length: FUNCTIONS,
      name: rows.slice(1),
      systemName: rows.slice(1),
      fileName: new Uint32Array(FUNCTIONS),
      startLine: new Float64Array(FUNCTIONS),
    },
    mappings: {
      length: 1,
      start: new BigUint64Array(1),
      limit: new BigUint64Array(1),
      offset: new BigUint64Array(1),
      fileName: new Uint32Array(1),
      buildId: new Uint32Array(1),
      flags: new Uint8Array(1),
    },
    locations: {
      length: FUNCTIONS,
      mapping: new Uint32Array(FUNCTIONS),
      addressLo: new Uint32Array(FUNCTIONS),
      addressHi: new Uint32Array(FUNCTIONS),
      lineStart: rows,
      lineFunction: rows.slice(0, FUNCTIONS),
      lineNumber: new Float64Array(FUNCTIONS),
    },
    tree: { length: NODES, parent, location },
    stacks: { length: STACKS, node: leaf },
  };
}

/** Rows of 15 s CPU profiles, `perRow` samples each, in order of series. */
function makeTables(series: number, rows: number, perRow: number): DatasetTables {
  const random = makeRandom(42);
  const symbols = makeSymbols(random);
  const pages: Page[] = [];
  const totals = new Float64Array(rows);
  let builder = new PageBuilder(1);
  let firstRow = 0;
  for (let row = 0; row < (perRow > 0 ? rows : 0); row++) {
    const chosen = new Set<number>();
    while (chosen.size < perRow) chosen.add(Math.floor(random() ** 2 * STACKS));
    const stack = Uint32Array.from(chosen).toSorted();
    const lo = Float64Array.from(stack, () => (random() < 0.6 ? 1e7 : 1e7 * Math.ceil(random() * 40)));
    totals[row] = lo.reduce((sum, value) => sum + value, 0);
    builder.add(stack, [{ lo, hi: undefined }], perRow);
    if (builder.byteLength > 262_144 || row + 1 === rows) {
      pages.push({ firstRow, rows: row + 1 - firstRow, bytes: builder.toBytes() });
      firstRow = row + 1;
      builder = new PageBuilder(1);
    }
  }
  if (perRow === 0) totals.fill(15e9);
  const perSeries = rows / series;
  return {
    service: 'api',
    name: 'process_cpu',
    types: [CPU],
    minMs: 0,
    maxMs: (perSeries - 1) * 15_000,
    series: Array.from({ length: series }, (_, i): LabelSet => [
      { name: '__name__', value: 'process_cpu' },
      { name: 'pod', value: `pod-${i}` },
      { name: 'service_name', value: 'api' },
    ]),
    rows: {
      length: rows,
      series: Uint32Array.from({ length: rows }, (_, row) => Math.floor(row / perSeries)),
      timeMs: Float64Array.from({ length: rows }, (_, row) => (row % perSeries) * 15_000),
      id: new Uint8Array(8 * rows),
      offset: undefined,
      totals: [{ lo: totals, hi: undefined }],
    },
    pages,
    symbols,
    spans: undefined,
  };
}

const SAMPLES = 1_920_000;
const flames = makeTables(20, 4800, SAMPLES / 4800);
const rows = makeTables(1000, 240_000, 0);
const stacktraces: StacktracesQuery = {
  kind: 'stacktraces',
  startMs: 0,
  endMs: 3_600_000,
  profileType: CPU_ID,
  selector: '{service_name="api"}',
  maxNodes: 16_384,
  format: 'flamegraph',
};
const perPod: SelectSeriesQuery = {
  kind: 'selectSeries',
  startMs: 0,
  endMs: 3_600_000,
  profileType: CPU_ID,
  selector: '{}',
  stepMs: 15_000,
  groupBy: ['pod'],
  aggregation: 'sum',
  limit: 0,
};
const partial = runQuery(stacktraces, [flames]);
const plain = new Float64Array(SAMPLES).fill(3);
const sums = new Float64Array(STACKS);
let sink = 0;

const bench = new Bench({ time: 2000, warmupTime: 500 });
bench
  .add('plain loop over as many doubles', () => {
    for (let i = 0; i < SAMPLES; i++) sums[i % STACKS] = sums[i % STACKS]! + plain[i]!;
  })
  .add('flame graph: run, 1.92 M samples', () => {
    sink += runQuery(stacktraces, [flames]).length;
  })
  .add('flame graph: run, one pod', () => {
    sink += runQuery({ ...stacktraces, selector: '{pod="pod-7"}' }, [flames]).length;
  })
  .add('flame graph: merge of two partials', () => {
    sink += mergePartials(stacktraces, [partial, partial]).length;
  })
  .add('flame graph: finish to 16,384 nodes', () => {
    sink += Number(finishQuery(stacktraces, partial).format === 'flamegraph');
  })
  .add('flame graph: whole', () => {
    sink += Number(finishQuery(stacktraces, runQuery(stacktraces, [flames])).format === 'flamegraph');
  })
  .add('SelectSeries: 240,000 rows, one group', () => {
    const query = { ...perPod, groupBy: [] };
    sink += finishQuery(query, runQuery(query, [rows])).length;
  })
  .add('SelectSeries: 240,000 rows, 1,000 groups', () => {
    sink += finishQuery(perPod, runQuery(perPod, [rows])).length;
  });

await bench.run();
console.log(`partial ${partial.length} bytes (${sink > 0})`);
console.table(
  bench.tasks.map(({ name, result }) => ({
    name,
    'best ms': result.state === 'completed' ? Number(result.latency.min.toFixed(2)) : result.state,
    'median ms': result.state === 'completed' ? Number(result.latency.p50.toFixed(2)) : result.state,
  })),
);
