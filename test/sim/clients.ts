import { noMetrics } from '@kiln/telemetry';
import type { LogFrom, OwnerAnswer } from '@kiln/catalog';
import { KilnError, labelSet, type TenantId } from '@kiln/model';
import type { ObjectStore, StoredObject } from '@kiln/objstore';
import {
  finishQuery,
  type Merged,
  type Query,
  type QueryLimits,
  type SelectSeriesQuery,
  type StacktracesQuery,
} from '@kiln/query';
import { Distributor } from '../../services/distributor/src/distributor.ts';
import { Placer, type Accepted } from '../../services/distributor/src/placer.ts';
import { profileOf } from '../../services/ingester/src/test-support/records.ts';
import { Querier } from '../../services/querier/src/querier.ts';
import type { Mark, Sums } from './ledger.ts';
import { Life } from './life.ts';
import { logLine, storeLine } from './line.ts';
import type { OwnerNode } from './roles.ts';
import { codecs, HOUR, type World } from './world.ts';

const TYPE = 'process_cpu:cpu:nanoseconds:cpu:nanoseconds';

/** Profiles from clients to the logs, by the real placer and distributor. */
export class Clients {
  readonly #world: World;
  #names = 0;

  constructor(world: World) {
    this.#world = world;
  }

  /** A new profile of a tenant. */
  mark(tenant: TenantId, service: string, timeMs: number): Mark {
    const world = this.#world;
    const name = `${tenant}-${++this.#names}`;
    const draft = {
      tenant,
      service,
      name,
      value: 1 + Math.floor(world.random() * (world.chance(0.1) ? 2 ** 50 : 1000)),
      timeMs,
      sentMs: world.clock.nowMs(),
      partition: 0,
      acknowledged: false,
      kept: 0,
      keptMs: 0,
      keptIn: undefined,
      keptAt: 0,
      seen: undefined,
    };
    const { records } = this.#placer(new Life(world, 'placing')).place(
      tenant,
      [accepted(draft)],
      world.ledger.windowMs,
    );
    const mark: Mark = { ...draft, partition: records[0]!.partition };
    world.ledger.add(mark);
    return mark;
  }

  /** Sends profiles of one tenant in one push; they are acknowledged, or not. */
  async push(marks: readonly Mark[], dieIn = Infinity): Promise<void> {
    const world = this.#world;
    const life = new Life(world, `client of ${marks.map(({ name }) => name).join(' ')}`);
    const { records } = this.#placer(life).place(marks[0]!.tenant, marks.map(accepted), world.ledger.windowMs);
    for (const { partition, record } of records)
      world.ledger.wrote(
        record,
        marks.filter((mark) => mark.partition === partition),
      );
    const logs = world.logs.map((log) => logLine(life, log));
    const distributor = new Distributor({ logs, clock: life.clock, random: world.fork(), metrics: noMetrics });
    life.dieIn(dieIn, () => world.tally.add('client crash'));
    try {
      if ((await life.outlives(distributor.append(records))) !== undefined) world.ledger.acknowledge(marks);
      world.tally.add('pushes', marks.length);
    } catch (error) {
      if (!(error instanceof KilnError) || error.code !== 'unavailable') throw error;
    }
  }

  #placer(life: Life): Placer {
    return new Placer({ partitions: life.world.logs.length, codecs, compression: 'none', clock: life.clock });
  }
}

function accepted({ tenant, service, name, value, timeMs }: Omit<Mark, 'partition'>): Accepted {
  const profile = profileOf({
    id: name,
    service,
    timeMs,
    groups: [{ labels: { mark: name }, samples: { [`main;of ${tenant};${name}`]: [value] } }],
  });
  const labels = labelSet([
    { name: 'service_name', value: service },
    { name: 'mark', value: name },
  ]);
  const payload = new TextEncoder().encode(name);
  return { profile, labels, ownTimeNanos: BigInt(timeMs) * 1_000_000n + 1n, payload, clientId: name };
}

/** How a reader sees the world. */
export interface ReaderKind {
  /** For how long it takes `log/trim` and indexes from memory; 0 = it never does. */
  readonly staleMs: number;
  /** How many of its calls last up to two hours. */
  readonly sleepy: number;
}

/** A querier with its line to store and owners. */
export class Reader {
  readonly #world: World;
  readonly #life: Life;
  readonly #querier: Querier;

  constructor(
    world: World,
    owners: () => readonly OwnerNode[],
    retentionPeriodMs: number,
    { staleMs, sleepy }: ReaderKind,
  ) {
    const life = new Life(world, 'reader');
    this.#world = world;
    this.#life = life;
    const line = storeLine(life, sleepy);
    this.#querier = new Querier({
      objects: staleMs === 0 ? line : remembering(line, world, staleMs),
      owners: { answer: (...question) => this.#ask(owners(), ...question) },
      codecs,
      clock: life.clock,
      limits: () => ({ retentionPeriodMs, rejectNewerThanMs: 0 }),
    });
  }

  setSkew(ms: number): void {
    this.#life.skewMs = ms;
  }

  /** Everything a tenant has, by mark: from the totals of rows, or from their samples. */
  async sums(tenant: TenantId): Promise<Sums> {
    const world = this.#world;
    const range = { startMs: 1, endMs: world.clock.nowMs() + 4 * HOUR };
    const query = world.chance(0.5) ? seriesQuery(range.endMs) : stacksQuery(range);
    const { partial, gaps, stats } = await this.#querier.query(tenant, query, new AbortController().signal);
    if (stats.plans > 1) world.tally.add('answers: planned again', stats.plans - 1);
    const sums = query.kind === 'selectSeries' ? bySeries(query, partial) : byLeaf(query, partial);
    return {
      sums,
      flagged: gaps.length > 0,
      why: gaps.map((gap) => ('object' in gap ? `${gap.object}: ${gap.reason}` : gap.reason)).join('; '),
    };
  }

  async #ask(
    nodes: readonly OwnerNode[],
    ...question: [TenantId, Query, readonly LogFrom[], QueryLimits]
  ): Promise<readonly OwnerAnswer[]> {
    const { clock, random } = this.#world;
    await clock.sleep(random() * 20);
    const [, , from] = question;
    const owning = nodes.filter(
      (one) => !one.life.dead && from.every(({ partition }) => one.partitions.has(partition)),
    );
    if (owning.length === 0)
      throw new KilnError('unavailable', 'nobody follows the partition', { reason: 'not_owner' });
    const node = this.#world.pick(owning);
    const answer = await node.life.outlives(node.answer(...question));
    await clock.sleep(random() * 20);
    if (answer === undefined) throw new KilnError('unavailable', 'the owner died');
    return answer;
  }
}

/** `log/trim` and the indexes as they were; both are forgotten together, so that a newer trim never meets an older index. */
function remembering(store: ObjectStore, { clock }: World, staleMs: number): ObjectStore {
  const known = new Map<string, StoredObject | undefined>();
  const listed = new Map<string, string[]>();
  let sinceMs = -Infinity;
  return {
    ...store,
    get: async (key) => {
      if (key !== 'log/trim' && !key.endsWith('/index') && !key.startsWith('indexed/')) return store.get(key);
      if (key === 'log/trim' && clock.nowMs() - sinceMs > staleMs) {
        known.clear();
        listed.clear();
        sinceMs = clock.nowMs();
      }
      if (!known.has(key)) known.set(key, await store.get(key));
      return known.get(key);
    },
    // What is listed is as old as the indexes: else it would tell of one that is not known yet.
    list: async (prefix, options) => {
      if (!prefix.startsWith('tenants/')) return store.list(prefix, options);
      const what = JSON.stringify([prefix, options]);
      if (!listed.has(what)) listed.set(what, await store.list(prefix, options));
      return listed.get(what)!;
    },
  };
}

function seriesQuery(endMs: number): SelectSeriesQuery {
  return {
    kind: 'selectSeries',
    profileType: TYPE,
    selector: '{}',
    startMs: endMs,
    endMs,
    stepMs: endMs,
    groupBy: ['mark'],
    aggregation: 'sum',
    limit: 0,
  };
}

function stacksQuery(range: { startMs: number; endMs: number }): StacktracesQuery {
  return { kind: 'stacktraces', profileType: TYPE, selector: '{}', ...range, maxNodes: 0, format: 'flamegraph' };
}

function bySeries(query: SelectSeriesQuery, partial: Merged): Map<string, number> {
  return new Map(
    finishQuery(query, partial).map(({ labels, value }) => [
      labels[0]!.value,
      value.reduce((sum, one) => sum + one, 0),
    ]),
  );
}

/** The self values of a flame graph, by function. */
function byLeaf(query: StacktracesQuery, partial: Merged): Map<string, number> {
  const sums = new Map<string, number>();
  const result = finishQuery(query, partial);
  if (result.format !== 'flamegraph') return sums;
  const { names, levels } = result.flameGraph;
  for (const level of levels) {
    for (let i = 0; i < level.length; i += 4) {
      const self = Number(level[i + 2]);
      const name = names[Number(level[i + 3])]!;
      if (self > 0) sums.set(name, (sums.get(name) ?? 0) + self);
    }
  }
  return sums;
}
