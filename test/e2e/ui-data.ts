import { gunzipSync } from 'node:zlib';
import { Oracle, readPush, type OracleQuery, type TreeNode } from '../oracle/index.ts';
import { connectPush } from '../support/http-client.ts';
import { buildPprof, type BuiltSample } from '../support/profile-builder.ts';
import type { Recorded } from './recording-proxy.ts';

export const CPU = 'process_cpu:cpu:nanoseconds:cpu:nanoseconds';
export const IN_USE = 'memory:inuse_space:bytes:space:bytes';
export const MINUTE = 60_000;

/** A tenant's name where a server has no tenants. */
export const ANONYMOUS = 'anonymous';

/** What somebody pushed to a server, told to the oracle too. */
export class Told {
  readonly oracle = new Oracle();
  readonly #url: string;

  constructor(url: string) {
    this.#url = url;
  }

  /** One series. @throws Error when the server or the oracle refuses it. */
  async push(
    labels: Readonly<Record<string, string>>,
    profiles: readonly Uint8Array[],
    tenant = ANONYMOUS,
  ): Promise<void> {
    const pairs = Object.entries(labels);
    const header = tenant === ANONYMOUS ? {} : { tenant };
    const receivedMs = Date.now();
    const answer = await connectPush(
      this.#url,
      [{ labels: pairs, samples: profiles.map((profile) => ({ profile })) }],
      header,
    );
    if (answer.status !== 200) throw new Error(`refused: ${Buffer.from(answer.body).toString()}`);
    for (const pprofBytes of profiles) {
      const verdict = this.oracle.push({ tenant, labels: pairs, pprofBytes, receivedMs });
      if ('message' in verdict) throw new Error(`the oracle would refuse: ${verdict.message}`);
    }
  }

  /** What programs sent through a recording proxy. */
  read(requests: readonly Recorded[], tenant = ANONYMOUS): void {
    for (const { url, headers, body, receivedMs } of requests) {
      const plain = headers['content-encoding'] === 'gzip' ? gunzipSync(body) : body;
      const [path, search] = url.split('?') as [string, string | undefined];
      const contentType = headers['content-type'] ?? '';
      if (path.endsWith('/Push')) {
        for (const { labels, samples } of readPush(plain))
          for (const { profile, id } of samples)
            this.oracle.push({ tenant, labels, pprofBytes: profile, receivedMs, id });
      } else {
        const query = Object.fromEntries(new URLSearchParams(search));
        this.oracle.ingest({ tenant, query, contentType, body: plain, receivedMs });
      }
    }
  }

  /** The sum of all values. */
  total(query: OracleQuery, tenant = ANONYMOUS): number {
    return Number(this.oracle.flameGraph(tenant, query).total);
  }

  /** Functions with what they cost themselves and in all, a recursion counted once; largest self first. */
  functions(query: OracleQuery, tenant = ANONYMOUS): FunctionCost[] {
    const costs = new Map<string, FunctionCost>();
    const walk = (nodes: readonly TreeNode[], above: readonly string[]): void => {
      for (const { name, self, total, children } of nodes) {
        const cost = costs.get(name) ?? { name, self: 0, total: 0 };
        cost.self += Number(self);
        if (!above.includes(name)) cost.total += Number(total);
        costs.set(name, cost);
        walk(children, [...above, name]);
      }
    };
    walk(this.roots(query, tenant), []);
    return [...costs.values()].sort((a, b) => b.self - a.self || b.total - a.total || (a.name < b.name ? -1 : 1));
  }

  /** Where a frame is drawn: its row, the middle of it from 0 to 1, and its values. Siblings lie in the order of their names, their own part after them. @throws Error when it is not there */
  place(query: OracleQuery, path: readonly string[]): { row: number; middle: number; self: number; total: number } {
    let nodes = this.roots(query);
    const whole = nodes.reduce((sum, { total }) => sum + Number(total), 0);
    let left = 0;
    let found: TreeNode | undefined;
    for (const name of path) {
      for (const node of nodes) {
        found = node.name === name ? node : undefined;
        if (found !== undefined) break;
        left += Number(node.total);
      }
      if (found === undefined) throw new Error(`no frame ${path.join(';')}`);
      nodes = found.children;
    }
    const total = Number(found!.total);
    return { row: path.length, middle: (left + total / 2) / whole, self: Number(found!.self), total };
  }

  roots(query: OracleQuery, tenant = ANONYMOUS): TreeNode[] {
    return this.oracle.tree(tenant, { ...query, maxNodes: 1e9 }).roots;
  }
}

export interface FunctionCost {
  readonly name: string;
  self: number;
  total: number;
}

/** Root first, `a;b;c`, with a value. */
export type Stack = readonly [string, number];

/** A profile of one minute: CPU time in milliseconds. */
export function cpuProfile(timeMs: number, stacks: readonly Stack[]): Uint8Array {
  return built(timeMs, [['cpu', 'nanoseconds']], ['cpu', 'nanoseconds'], stacks, (ms) => [BigInt(ms) * 1_000_000n]);
}

/** What is held at an instant, in KiB. */
export function memoryProfile(timeMs: number, stacks: readonly Stack[]): Uint8Array {
  const types = [
    ['inuse_objects', 'count'],
    ['inuse_space', 'bytes'],
  ] as const;
  return built(timeMs, types, ['space', 'bytes'], stacks, (kib) => [BigInt(kib), BigInt(kib) * 1_024n]);
}

function built(
  timeMs: number,
  types: readonly (readonly [string, string])[],
  periodType: readonly [string, string],
  stacks: readonly Stack[],
  valuesOf: (value: number) => bigint[],
): Uint8Array {
  const samples = stacks.map(([path, value]): BuiltSample => ({
    frames: path
      .split(';')
      .reverse()
      .map((name, i) => ({ name, file: 'shop.py', line: 10 + i })),
    values: valuesOf(value),
  }));
  return buildPprof({
    types,
    periodType,
    period: 10_000_000n,
    timeNanos: BigInt(timeMs) * 1_000_000n,
    durationNanos: 60_000_000_000n,
    samples,
  });
}

/** A name that has to be quoted wherever it is shown. */
export const ODD_NAME = 'we"ird {shop}\n🔥 \\o/';
export const LONG_NAME = `long-${'x'.repeat(1_995)}`;

/** When the shop's fix was deployed and when it was slow, in minutes before now. */
export const FIXED_AT = 20;
export const SLOW = [40, 35] as const;

/**
 * Forty-nine minutes of a shop, the first fifty minutes ago, so that a test that takes some stays within the last hour. `basket` runs on two instances; version 1.0 looks for the biggest five the slow way, and version 1.1, from FIXED_AT on, with a heap.
 * A recursion, a lock that is waited for in SLOW, memory in use, and two services whose names are odd.
 */
export async function pushShop(told: Told, nowMs: number): Promise<void> {
  const base = Math.floor(nowMs / MINUTE) * MINUTE;
  const minutes = Array.from({ length: 49 }, (_, i) => 50 - i);
  for (const [instance, weight] of [
    ['low:8081', 1],
    ['high:8081', 3],
  ] as const) {
    for (const version of ['1.0', '1.1']) {
      const mine = minutes.filter((ago) => (version === '1.0' ? ago > FIXED_AT : ago <= FIXED_AT));
      const profiles = mine.map((ago) => cpuProfile(base - ago * MINUTE, basketStacks(version, ago, weight)));
      await told.push({ __name__: 'process_cpu', service_name: 'basket', instance, version, region: 'eu' }, profiles);
    }
    const held = minutes.map((ago) =>
      memoryProfile(base - ago * MINUTE, [
        ['main;load;create_smallest_list', weight * (1_000 + 10 * (50 - ago))],
        ['main;load;create_small_list', weight * 2_000],
      ]),
    );
    await told.push({ __name__: 'memory', service_name: 'basket', instance, region: 'eu' }, held);
  }
  const pay = minutes.map((ago) =>
    cpuProfile(base - ago * MINUTE, [
      ['main;pay;sign', 70],
      ['main;pay;verify', 30],
    ]),
  );
  await told.push({ __name__: 'process_cpu', service_name: 'payment', region: 'us' }, pay);
  const odd = [
    cpuProfile(base - 5 * MINUTE, [
      ['main;"quoted" {f} <b>\n🔥', 250],
      ['main;plain', 750],
    ]),
  ];
  await told.push({ __name__: 'process_cpu', service_name: ODD_NAME, path: '/a "b" {c}' }, odd);
  await told.push({ __name__: 'process_cpu', service_name: LONG_NAME }, [
    cpuProfile(base - 5 * MINUTE, [['main;long', 500]]),
  ]);
}

function basketStacks(version: string, minutesAgo: number, weight: number): Stack[] {
  const isSlow = minutesAgo <= SLOW[0] && minutesAgo > SLOW[1];
  const biggest: Stack =
    version === '1.0'
      ? ['main;handle;get_biggest_five_of;max', 100 * weight]
      : ['main;handle;get_biggest_five_of;heapq.nlargest', 40 * weight];
  return [
    biggest,
    ['main;handle;quicksort;partition', 13 * weight],
    ['main;handle;quicksort;quicksort;partition', 20 * weight],
    ['main;handle;quicksort;quicksort;quicksort;partition', 7 * weight],
    ['main;handle;quicksort;quicksort;quicksort', 3 * weight],
    ['main;handle;render', (10 + minutesAgo) * weight],
    ['main;idle', 2],
    ...(isSlow ? ([['main;handle;lock_wait', 225 * weight]] as const) : []),
  ];
}
