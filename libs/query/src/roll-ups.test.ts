import { crc32, zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import { mergeDatasets, openPart, writeBlock, type Codecs, type DatasetTables } from '@kiln/block';
import { parseTenantId, profileTypeId, type ValueType } from '@kiln/model';
import fc from 'fast-check';
import { describe, expect, test, vi } from 'vitest';
import { finishPprof } from './pprof.ts';
import type { PprofQuery, Query, SampleSelection } from './query.ts';
import { runQuery } from './run.ts';
import type { RunStats } from './run-stats.ts';
import { CPU, stack, type ModelDataset, type ModelRow } from './test-support/model.ts';
import { toTables } from './test-support/tables.ts';

vi.setConfig({ testTimeout: 60_000 });

const tenant = parseTenantId('a');
const codecs: Codecs = {
  crc32,
  zstdCompress: (bytes) => zstdCompressSync(bytes),
  zstdDecompress: (bytes, maxLength) => zstdDecompressSync(bytes, { maxOutputLength: Math.max(1, maxLength) }),
};
const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
/** Not a multiple of anything. */
const START = 472_222 * HOUR + 20 * MINUTE + 12_345;
const SAMPLES: ValueType = { ...CPU, type: 'samples', unit: 'count' };
const types = [SAMPLES, CPU];
const stacks = ['main;a', 'main;b', 'main;b;c'].map(stack);

const spanOf = (row: number): string => (row % 10).toString(16).padStart(16, '1');

/** Rows at any time of a span, with values that spill: every 400th above 2^52. */
function modelOf(spanMs: number, rows: number, seed: number): ModelDataset {
  let state = seed;
  const random = (): number => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
  return {
    service: 'api',
    name: 'process_cpu',
    types,
    rows: Array.from({ length: rows }, (_, i): ModelRow => {
      const count = BigInt(1 + Math.floor(random() * 50));
      const wide = i % 400 === 7 ? 2n ** 58n + 1n : 0n;
      return {
        timeMs: START + Math.floor(random() * spanMs),
        labels: [{ name: 'pod', value: `p-${i % 3}` }],
        samples: stacks.slice(0, 1 + (i % 3)).map((own, s) => ({
          stack: own,
          values: [count, BigInt(s + 1) * 10_000_000n + wide],
          spanId: s === 1 ? spanOf(i) : undefined,
        })),
      };
    }),
  };
}

/** The dataset as a block gives it back. */
function stored(model: ModelDataset): DatasetTables {
  const [tables] = mergeDatasets([withIds(toTables(model, 500))], () => 0, 7, codecs).windows.values();
  const { bytes, entry } = writeBlock({ level: 2, blockId: new Uint8Array(16), tenant, datasets: [tables!] }, codecs);
  return openPart(bytes.subarray(entry.off, entry.off + entry.len), tenant, codecs).datasets[0]!.tables();
}

function withIds(tables: DatasetTables): DatasetTables {
  const id = new Uint8Array(tables.rows.length * 8);
  for (let row = 0; row < tables.rows.length; row++) new DataView(id.buffer).setUint32(row * 8, row);
  return { ...tables, rows: { ...tables.rows, id } };
}

/** The same without its roll-ups. */
function raw(tables: DatasetTables): DatasetTables {
  const { service, name, minMs, maxMs, series, rows, pages, symbols, spans } = tables;
  return { service, name, types: tables.types, minMs, maxMs, series, rows, pages, symbols, spans };
}

const newStats = (): RunStats => ({ pages: 0, buckets: 0, resolutionMs: 0 });

function pprofOf(type: ValueType, startMs: number, endMs: number, selector = '{}'): PprofQuery {
  return { kind: 'pprof', startMs, endMs, selector, profileType: profileTypeId('process_cpu', type), maxNodes: 0 };
}

const spans = [
  { spanMs: 12 * MINUTE, rows: 4000, steps: [0, 15_000] },
  { spanMs: 50 * MINUTE, rows: 6000, steps: [0, HOUR, MINUTE] },
  { spanMs: 3 * HOUR, rows: 4000, steps: [0, HOUR, 5 * MINUTE] },
  { spanMs: 9 * HOUR, rows: 4000, steps: [0, HOUR, 15 * MINUTE] },
];

describe('a query over a dataset with roll-ups', () => {
  test.each(spans)(
    'of $spanMs ms answers what its rows sum to, bit by bit, for any range',
    ({ spanMs, rows, steps }) => {
      const model = modelOf(spanMs, rows, rows);
      const tables = stored(model);
      expect([...tables.rollups!, ...tables.fineRollups!].map(({ stepMs }) => stepMs)).toEqual(steps);
      const time = fc.oneof(
        fc.integer({ min: START - HOUR, max: START + spanMs + HOUR }),
        fc.integer({ min: -300, max: (spanMs + HOUR) / 15_000 }).chain((n) => {
          const edge = Math.floor(START / 15_000 + n) * 15_000;
          return fc.constantFrom(edge, edge - 1, edge + 1);
        }),
        fc.nat(12).map((n) => Math.floor(START / HOUR + n) * HOUR - (n % 2)),
      );
      const used = new Map<number, number>();
      fc.assert(
        fc.property(time, time, fc.constantFrom(...types), fc.boolean(), (x, y, type, all) => {
          const [startMs, endMs] = all && x % 9 === 0 ? [0, 2 ** 50] : [Math.min(x, y), Math.max(x, y)];
          const query = pprofOf(type, startMs, endMs);
          const stats = newStats();
          const partial = runQuery(query, [tables], {}, stats);
          expect(partial).toEqual(runQuery(query, [raw(tables)]));
          const values = model.rows
            .filter(({ timeMs }) => timeMs >= startMs && timeMs <= endMs)
            .flatMap(({ samples }) => samples.map((sample) => sample.values[types.indexOf(type)]!));
          const found = finishPprof(query, partial).values;
          let sum = 0n;
          found.lo.forEach((lo, i) => (sum += BigInt(lo) + (BigInt(found.hi?.[i] ?? 0) << 52n)));
          expect(sum).toBe(values.reduce((total, value) => total + value, 0n));
          used.set(stats.resolutionMs, (used.get(stats.resolutionMs) ?? 0) + 1);
        }),
        { numRuns: 200 },
      );
      for (const stepMs of steps.slice(1)) expect(used.get(stepMs) ?? 0).toBeGreaterThan(0);
    },
  );

  test('answers for profiles and spans from rows, for a call site from buckets too', () => {
    const model = modelOf(50 * MINUTE, 600, 3);
    const tables = stored(model);
    const whole = pprofOf(SAMPLES, 0, 2 ** 50);
    const sum = (rows: readonly ModelRow[], kept: (sample: ModelRow['samples'][number]) => boolean): bigint =>
      rows.flatMap(({ samples }) => samples.filter(kept)).reduce((total, { values }) => total + values[0]!, 0n);
    const ask = (samples: SampleSelection): { total: bigint; stats: RunStats } => {
      const stats = newStats();
      const partial = runQuery({ ...whole, ...samples }, [tables], {}, stats);
      const { lo } = finishPprof(whole, partial).values;
      return { total: BigInt(lo.reduce((all, value) => all + value, 0)), stats };
    };
    const everything = ask({});
    expect(everything.stats.buckets).toBeGreaterThan(0);
    const numbers = [7, 8, 300];
    const profileIds = numbers.map((row) => `${row.toString(16).padStart(8, '0')}00000000`);
    const ofProfiles = ask({ profileIds });
    expect(ofProfiles.total).toBe(
      sum(
        numbers.map((row) => model.rows[row]!),
        () => true,
      ),
    );
    expect(ofProfiles.stats.buckets).toBe(0);
    const ofSpan = ask({ spanIds: [spanOf(4)] });
    expect(ofSpan.total).toBe(sum(model.rows, ({ spanId }) => spanId === spanOf(4)));
    expect(ofSpan.total).toBeGreaterThan(0n);
    expect(ofSpan.stats).toEqual(newStats());
    const ofCallSite = ask({ callSite: ['main', 'b'] });
    expect(ofCallSite.total).toBe(sum(model.rows, ({ stack: own }) => own[1]!.lines[0] === 'b'));
    expect(ofCallSite.stats).toEqual(everything.stats);
  });

  test('reads no page of samples when the range holds all, and pages of the edges alone when it does not', () => {
    const tables = stored(modelOf(3 * HOUR, 4000, 3));
    const read = (query: Query): RunStats => {
      const stats = newStats();
      runQuery(query, [tables], {}, stats);
      return stats;
    };
    expect(read(pprofOf(CPU, 0, 2 ** 50))).toEqual({
      pages: 0,
      buckets: 1,
      resolutionMs: tables.maxMs - tables.minMs + 1,
    });
    const hours = Math.ceil(START / HOUR) * HOUR;
    expect(read(pprofOf(CPU, hours, hours + 2 * HOUR - 1))).toEqual({ pages: 0, buckets: 2, resolutionMs: HOUR });
    expect(read(pprofOf(CPU, hours - 5 * MINUTE, hours + HOUR + 10 * MINUTE - 1))).toEqual({
      pages: 0,
      buckets: 4,
      resolutionMs: HOUR,
    });
    const withoutRows: DatasetTables = {
      ...raw(tables),
      rollups: tables.rollups!,
      get rows(): never {
        throw new Error('rows were read');
      },
    };
    const hour = pprofOf(CPU, hours, hours + HOUR - 1);
    expect(runQuery(hour, [withoutRows])).toEqual(runQuery(hour, [tables]));
    expect(() => runQuery({ ...hour, startMs: hours + 1 }, [withoutRows])).toThrow('rows were read');
    const ragged = read(pprofOf(CPU, hours + 1, hours + HOUR));
    expect([ragged.buckets, ragged.resolutionMs]).toEqual([11, 5 * MINUTE]);
    expect(ragged.pages).toBeGreaterThan(0);
    expect(read(pprofOf(CPU, 0, 2 ** 50, '{pod="p-1"}'))).toMatchObject({ buckets: 0, resolutionMs: 0 });
    expect(read(pprofOf(CPU, 0, 2 ** 50, '{pod=~"p-.*"}'))).toMatchObject({ pages: 0, buckets: 1 });
    expect(read({ ...pprofOf(CPU, 0, 2 ** 50), kind: 'stacktraces', format: 'tree' })).toMatchObject({ buckets: 1 });
  });
});
