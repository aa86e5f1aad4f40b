import { labelSet, type Profile, type SampleGroup, type Symbols } from '@kiln/model';
import { stringColumn } from './columns.ts';
import { SymbolRemap } from './symbols/symbol-remap.ts';
import { SymbolTable } from './symbols/symbol-table.ts';

/** Seeded, so that every run measures the same. */
export function makeRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 4294967296;
  };
}

/** CPU profiles of one service as its pods would push them: 365 stacks of the 600 that it has, in a tree of some 8,000 nodes. */
export function* cpuProfiles(count: number, seed = 7): Generator<Profile> {
  const random = makeRandom(seed);
  const all = serviceSymbols(random);
  const weights = Float64Array.from({ length: STACKS }, (_, i) => 1 / (i + 1) ** 1.05);
  for (let pod = 0; pod < count; pod++) {
    const table = new SymbolTable();
    const remap = new SymbolRemap(all, table);
    const counts = new Float64Array(STACKS);
    for (let draw = 0; draw < DRAWS; draw++) {
      const stack = pick(weights, random());
      counts[stack] = counts[stack]! + 1;
    }
    const samples: [stack: number, value: number][] = [];
    counts.forEach((value, stack) => {
      if (value > 0) samples.push([remap.stack(stack), value]);
    });
    samples.sort(([a], [b]) => a - b);
    yield {
      service: 'checkout',
      name: 'process_cpu',
      types: [
        { type: 'samples', unit: 'count', periodType: 'cpu', periodUnit: 'nanoseconds' },
        { type: 'cpu', unit: 'nanoseconds', periodType: 'cpu', periodUnit: 'nanoseconds' },
      ],
      timeNanos: 1_700_000_000_000_000_000n + BigInt(pod) * 731_000_001n,
      durationNanos: 15_000_000_000n,
      symbols: table.symbols(),
      groups: [groupOf(samples, `checkout-7d9f8c6b5-${pod % 20}`)],
    };
  }
}

const STACKS = 600;
const DRAWS = 2200;
const FUNCTIONS = 700;
const DEPTH = 32;

function groupOf(samples: readonly (readonly [stack: number, value: number])[], pod: string): SampleGroup {
  return {
    series: labelSet([
      { name: '__name__', value: 'process_cpu' },
      { name: 'service_name', value: 'checkout' },
      { name: 'pod', value: pod },
    ]),
    length: samples.length,
    stack: Uint32Array.from(samples, ([stack]) => stack),
    values: [1, 10_000_000].map((scale) => ({
      lo: Float64Array.from(samples, ([, value]) => value * scale),
      hi: undefined,
    })),
    spans: undefined,
  };
}

/** Each stack leaves an earlier one at some depth and goes on by locations of its own. */
function serviceSymbols(random: () => number): Symbols {
  const names = Array.from(
    { length: FUNCTIONS },
    (_, i) => `github.com/example/checkout/pkg${i % 37}/store.(*Type${i % 11}).Method${i}`,
  );
  const files = Array.from({ length: 140 }, (_, i) => `/src/github.com/example/checkout/pkg${i % 37}/file${i}.go`);
  const rows = Uint32Array.from({ length: FUNCTIONS }, (_, i) => i);
  const parent = [0];
  const location = [0];
  const leaf: number[] = [];
  for (let stack = 0; stack < STACKS; stack++) {
    const own = 4 + Math.floor(random() * 18);
    let node = leaf.length === 0 ? 0 : leaf[Math.floor(random() * leaf.length)]!;
    for (let up = Math.floor(random() * (DEPTH - own)); up > 0; up--) node = parent[node]!;
    for (let i = 0; i < own; i++) {
      parent.push(node);
      node = location.push(Math.floor(random() ** 2 * FUNCTIONS)) - 1;
    }
    leaf.push(node);
  }
  return {
    strings: stringColumn(['', ...names, ...files]),
    functions: {
      length: FUNCTIONS,
      name: rows.map((row) => row + 1),
      systemName: rows.map((row) => row + 1),
      fileName: rows.map((row) => FUNCTIONS + 1 + (row % files.length)),
      startLine: Float64Array.from(rows, (row) => (row * 7919) % 1500),
    },
    mappings: {
      length: 1,
      start: new BigUint64Array(1),
      limit: new BigUint64Array(1),
      offset: new BigUint64Array(1),
      fileName: new Uint32Array(1),
      buildId: new Uint32Array(1),
      flags: new Uint8Array([15]),
    },
    locations: {
      length: FUNCTIONS,
      mapping: new Uint32Array(FUNCTIONS),
      addressLo: new Uint32Array(FUNCTIONS),
      addressHi: new Uint32Array(FUNCTIONS),
      lineStart: Uint32Array.from({ length: FUNCTIONS + 1 }, (_, i) => i),
      lineFunction: rows,
      lineNumber: Float64Array.from(rows, (row) => ((row * 7919) % 1500) + (row % 40)),
    },
    tree: { length: parent.length, parent: Uint32Array.from(parent), location: Uint32Array.from(location) },
    stacks: { length: STACKS, node: Uint32Array.from(leaf) },
  };
}

function pick(weights: Float64Array, at: number): number {
  let left = at * weights.reduce((sum, weight) => sum + weight);
  for (let i = 0; i < weights.length; i++) {
    left -= weights[i]!;
    if (left < 0) return i;
  }
  return weights.length - 1;
}

/** CPU time of `run`, microseconds: the least of `rounds`, after as many to warm up. Other load on the machine hardly moves it. */
export function cpuMicros(run: () => void, rounds = 15): number {
  let least = Infinity;
  for (let round = 0; round < rounds * 2; round++) {
    const before = process.cpuUsage();
    run();
    const { user, system } = process.cpuUsage(before);
    if (round >= rounds) least = Math.min(least, user + system);
  }
  return least;
}
