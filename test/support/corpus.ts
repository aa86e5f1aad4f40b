import { gzipSync } from 'node:zlib';
import { buildPprof, type BuiltProfile, type BuiltSample } from './profile-builder.ts';
import { seededRandom, type Random } from './seeded-random.ts';
import { drawStacks, growStackPool, type StackPool } from './stack-pool.ts';

export interface CorpusOptions {
  readonly seed: number | string;
  readonly services: number;
  /** Per service. */
  readonly pods: number;
  /** CPU profiles per pod, 15 s apart. */
  readonly intervals: number;
  /** Every nth interval a heap profile too; 0 = never. */
  readonly heapEvery?: number;
  /** Stacks in the pool of a service. */
  readonly stacks?: number;
  /** CPU samples per profile at load 1. */
  readonly draws?: number;
  /** Unix milliseconds of the first interval. */
  readonly startMs: number;
}

/** A profile of a corpus as a client would push it. */
export interface CorpusProfile {
  readonly labels: readonly (readonly [string, string])[];
  /** gzip level 1, as Go's profiler writes. */
  readonly gzip: Uint8Array;
  readonly timeNanos: bigint;
}

const INTERVAL_NANOS = 15_000_000_000n;
const CPU_PERIOD = 10_000_000n;
const HEAP_PERIOD = 524_288n;

/**
 * Profiles of a fleet, pod by pod and interval by interval (engine.md §0): equal options give equal bytes, on every machine. Times carry a sub-second
 * part of their own, so that each profile identifies itself. Lazy: nothing is kept.
 */
export function* corpus(options: CorpusOptions): Generator<CorpusProfile> {
  const pools: { pool: StackPool; loads: number[] }[] = [];
  for (let s = 0; s < options.services; s++) {
    const random = seededRandom(`${options.seed}/${s}`);
    const pool = growStackPool(random, { stacks: options.stacks ?? 600, functions: 590, meanDepth: 22 });
    pools.push({ pool, loads: Array.from({ length: options.pods }, () => 0.3 + 1.4 * random()) });
  }
  for (let interval = 0; interval < options.intervals; interval++) {
    for (const [s, { pool, loads }] of pools.entries()) {
      for (const [p, load] of loads.entries()) {
        const random = seededRandom(`${options.seed}/${s}/${p}/${interval}`);
        const own = BigInt(1 + Math.floor(random() * 999_999_998));
        const timeNanos = BigInt(options.startMs) * 1_000_000n + BigInt(interval) * INTERVAL_NANOS + own;
        const labels = (name: string): [string, string][] => [
          ['__name__', name],
          ['service_name', `service-${s}`],
          ['pod', `pod-${s}-${p}`],
          ['region', p % 2 === 0 ? 'eu' : 'us'],
        ];
        const cpu = cpuProfile(random, pool, Math.round((options.draws ?? 1_500) * load), timeNanos);
        yield { labels: labels('process_cpu'), gzip: gzipSync(buildPprof(cpu), { level: 1 }), timeNanos };
        if (options.heapEvery !== undefined && options.heapEvery > 0 && interval % options.heapEvery === 0) {
          const heap = heapProfile(random, pool, load, timeNanos);
          yield { labels: labels('memory'), gzip: gzipSync(buildPprof(heap), { level: 1 }), timeNanos };
        }
      }
    }
  }
}

/** A CPU profile: samples and nanoseconds, a multinomial draw from the pool. */
export function cpuProfile(random: Random, pool: StackPool, draws: number, timeNanos: bigint): BuiltProfile {
  const samples = [...drawStacks(random, pool, draws)].map(([stack, count]): BuiltSample => ({
    frames: pool.stacks[stack]!,
    values: [BigInt(count), BigInt(count) * CPU_PERIOD],
  }));
  return {
    types: [
      ['samples', 'count'],
      ['cpu', 'nanoseconds'],
    ],
    periodType: ['cpu', 'nanoseconds'],
    period: CPU_PERIOD,
    timeNanos,
    durationNanos: INTERVAL_NANOS,
    samples,
  };
}

/** A heap profile: four types over the whole pool. */
export function heapProfile(random: Random, pool: StackPool, load: number, timeNanos: bigint): BuiltProfile {
  const samples = pool.stacks.map((frames, i): BuiltSample => {
    const objects = BigInt(Math.floor(pool.weights[i]! * load * 100_000 * (0.5 + random())) + 1);
    const size = 16n << BigInt(Math.floor(random() * 9));
    const inuse = random() < 0.2 ? objects / 3n : 0n;
    return { frames, values: [objects, objects * size, inuse, inuse * size] };
  });
  return {
    types: [
      ['alloc_objects', 'count'],
      ['alloc_space', 'bytes'],
      ['inuse_objects', 'count'],
      ['inuse_space', 'bytes'],
    ],
    periodType: ['space', 'bytes'],
    period: HEAP_PERIOD,
    timeNanos,
    samples,
  };
}
