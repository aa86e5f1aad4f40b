import { seededRandom, type Random } from '@kiln/async';
import { decodeRecord, RecordBuilder, SymbolTable, writeSegment, type LogRecord } from '@kiln/block';
import { labelSet, type LogId, type Profile, type TenantId } from '@kiln/model';
import { gzipSync, gunzipSync } from 'node:zlib';
import { idOf } from '../test-support/records.ts';
import { nodeCodecs } from '../worker/node-codecs.ts';
import { Head } from './head.ts';
import { SampleSorter } from '@kiln/block';

/*
 * What a log record costs an ingester, beside G = gunzip of a 30 KB, 85 KB raw push of the same run (design: engine.md §8).
 * Corpus as engine.md §0, in small: a service of 6,000 stacks of about 32 frames, 20 pods, CPU profiles of 400 stacks, Zipf weights.
 *   node --expose-gc --conditions=source src/head/head.bench.ts
 */
const STACKS = 6_000;
const PODS = 20;
const PROFILES = 1_500;
const TENANT = 'bench' as TenantId;
const TYPES = [
  { type: 'samples', unit: 'count', periodType: 'cpu', periodUnit: 'nanoseconds' },
  { type: 'cpu', unit: 'nanoseconds', periodType: 'cpu', periodUnit: 'nanoseconds' },
];

const random = seededRandom(1);
const pool = stackPool(random);
const records = Array.from({ length: PROFILES }, (_, i) => recordOf(i, random));
const recordBytes = records.reduce((sum, { length }) => sum + length, 0);
console.log(`${PROFILES} records of one profile, ${Math.round(recordBytes / PROFILES)} bytes each`);

for (let round = 0; round < 3; round++) {
  const decoded = timed(() => records.map((record) => decodeRecord(record, nodeCodecs)));
  const before = memory();
  const head = newHead();
  const half = PROFILES / 2;
  const first = timed(() => appendAll(head, decoded.value.slice(0, half)));
  const halfBytes = head.byteLength;
  const appended = timed(() => appendAll(head, decoded.value.slice(half)));
  const held = memory() - before;
  const tables = timed(() => [...head.tables(TENANT)]);
  const segment = timed(() => segmentOf(head));
  const gunzip = timed(() => gunzipAll(100));
  const g = gunzip.ms / 100;
  const per = (ms: number, count = PROFILES): string =>
    `${((ms / count) * 1000).toFixed(1)} us (${(ms / count / g).toFixed(2)} G)`;
  console.log(
    `per profile: decode ${per(decoded.ms)}, append ${per(first.ms, half)} then ${per(appended.ms, half)}, cut ${per(segment.ms)}; ` +
      `snapshot ${tables.ms.toFixed(2)} ms`,
  );
  const { byteLength } = segment.value.bytes;
  console.log(
    `head counts ${(head.byteLength / PROFILES).toFixed(0)} bytes/profile (${((head.byteLength - halfBytes) / half).toFixed(0)} in the second half), process grew by ${(held / PROFILES).toFixed(0)}; ` +
      `segment ${(byteLength / PROFILES).toFixed(0)} bytes/profile, estimated ${(head.segmentBytes / PROFILES).toFixed(0)}`,
  );
}

const small = newHead();
appendAll(small, [decodeRecord(recordOf(0, random, 50), nodeCodecs)]);
console.log(
  `one profile of 50 samples: head ${small.byteLength}, segment ${segmentOf(small).bytes.byteLength}, estimated ${small.segmentBytes.toFixed(0)}`,
);

function newHead(): Head {
  return new Head({ codecs: nodeCodecs, sorter: new SampleSorter(), seed: 7 });
}

function appendAll(head: Head, decoded: LogRecord[]): void {
  const kept = [Uint8Array.of(1)];
  for (let i = 0; i < decoded.length; i++) head.append(decoded[i]!, kept, i);
}

function segmentOf(head: Head): { bytes: Uint8Array } {
  const ids = { length: 0, id: new Uint8Array(), appendMs: new Float64Array(), windowMs: new Float64Array() };
  const tenants = [{ tenant: TENANT, datasets: head.tables(TENANT) }];
  const place = { logId: '0123456789abcdef-0' as LogId, start: -1, end: PROFILES, blockId: new Uint8Array(16) };
  return writeSegment({ ...place, tenants, ids }, nodeCodecs);
}

function gunzipAll(times: number): void {
  const raw = new Uint8Array(85_000);
  for (let i = 0; i < raw.length; i++) raw[i] = i % 3 === 0 ? random() * 120 : raw[i - 1]! & 31;
  const gz = gzipSync(raw, { level: 1 });
  for (let i = 0; i < times; i++) gunzipSync(gz);
}

/** Stacks of about 32 frames that share prefixes: each is another one cut and grown by some frames, so that a stack adds about 7 nodes. */
function stackPool(next: Random): number[][] {
  const frame = (): number => Math.floor(next() ** 4 * 1_200);
  const stacks = [Array.from({ length: 30 }, frame)];
  while (stacks.length < STACKS) {
    const base = stacks[Math.floor(next() * stacks.length)]!;
    const stack = base.slice(0, Math.max(4, base.length - Math.floor(next() * 14)));
    const depth = stack.length + 1 + Math.floor(next() * (stack.length < 32 ? 16 : 6));
    while (stack.length < depth) stack.push(frame());
    stacks.push(stack);
  }
  return stacks;
}

function recordOf(i: number, next: Random, samples = 400): Uint8Array {
  const table = new SymbolTable();
  const counts = new Map<number, number>();
  for (let s = 0; s < samples * 1.4; s++) {
    const stack = Math.floor(STACKS ** next()) - 1;
    const row = internStack(table, pool[(stack * 7919) % STACKS]!);
    counts.set(row, (counts.get(row) ?? 0) + 1);
  }
  const rows = [...counts].toSorted(([a], [b]) => a - b);
  const lo = Float64Array.from(rows, ([, count]) => count);
  const profile: Profile = {
    service: 'shop',
    name: 'process_cpu',
    types: TYPES,
    timeNanos: BigInt(1_700_000_000_000 + i * 750) * 1_000_000n,
    durationNanos: 15_000_000_000n,
    symbols: table.symbols(),
    groups: [
      {
        series: labelSet([
          { name: '__name__', value: 'process_cpu' },
          { name: 'service_name', value: 'shop' },
          { name: 'pod', value: `shop-${i % PODS}` },
        ]),
        length: rows.length,
        stack: Uint32Array.from(rows, ([row]) => row),
        values: [
          { lo, hi: undefined },
          { lo: lo.map((count) => count * 10_000_000), hi: undefined },
        ],
        spans: undefined,
      },
    ],
  };
  const builder = new RecordBuilder({ tenant: TENANT, receivedMs: 1, windowMs: 4_260_000 });
  builder.add(profile, idOf(`${i}`));
  return builder.finish(nodeCodecs);
}

function internStack(table: SymbolTable, stack: number[]): number {
  const mapping = table.mappings.intern(0n, 0n, 0n, 0, 0, 0);
  let node = 0;
  for (const frame of stack) {
    const name = table.internString(`example.com/shop/internal/package${frame % 90}.(*Type).Method${frame}`);
    const file = table.internString(`/src/internal/package${frame % 90}/file${frame % 150}.go`);
    const line = table.functions.intern(name, name, file, frame % 500);
    const location = table.locations.intern(mapping, 0, 0, Uint32Array.of(line), Float64Array.of(frame % 700), 1);
    node = table.tree.intern(node, location);
  }
  return table.stacks.intern(node);
}

function timed<T>(work: () => T): { value: T; ms: number } {
  const start = performance.now();
  const value = work();
  return { value, ms: performance.now() - start };
}

function memory(): number {
  globalThis.gc?.();
  globalThis.gc?.();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}
