import {
  containedUpTo,
  partsAbove,
  readChain,
  readTenantIndex,
  readTrim,
  trimKey,
  type CatalogReader,
  type CommittedPart,
  type Gap,
  type LogFrom,
  type OwnerAnswer,
  type RegisteredLog,
  type TenantIndex,
  type TrimmedGap,
} from '@kiln/catalog';
import { KilnError, type LogId, type TenantId } from '@kiln/model';
import { rowRange, type AnswerGap, type LogGap, type Query, type QueryLimits } from '@kiln/query';
import { canTouch, type Acceptance } from './acceptance.ts';
import type { Owners } from './owners.ts';
import { isNotOwner, isStaleIndex, StalePlan } from './stale-plan.ts';

/** What answers a query: parts to read, partials of heads, and what may be missing. Disjoint by offset. */
export interface Plan {
  readonly refs: readonly CommittedPart[];
  readonly partials: readonly Uint8Array[];
  readonly missing: readonly AnswerGap[];
}

/** Where a plan is made from. */
export interface PlanPorts {
  readonly catalog: CatalogReader;
  readonly owners: Owners;
}

/** Logs are registered before there is anything to ask for: without the register an answer would lack what is in no block. */
function lostRegister(): KilnError {
  return new KilnError(
    'data_loss',
    `object ${trimKey}, which names the logs, is missing: somebody removed it by hand, or the store lost it, or no ingester has ever started on it`,
  );
}

/**
 * READ of distributed.md §1.10, steps 1 to 4: what the tenant's blocks hold of a log, or what T says nobody has there any more, is not wanted from its
 * owner. The owner of every partition is asked once; what no owner follows is read from its chain.
 * @throws StalePlan when it must be made anew, KilnError `data_loss` when the register of logs is lost or was never written.
 */
export async function makePlan(
  ports: PlanPorts,
  tenant: TenantId,
  query: Query,
  limits: Acceptance & QueryLimits,
): Promise<Plan> {
  // In this order: what T has passed is in every index that is read after it.
  const trim = await readTrim(ports.catalog);
  const index = await readTenantIndex(ports.catalog, tenant);
  if (trim.rev === 0) throw lostRegister();
  const partitions = Map.groupBy(trim.logs, ({ partition }) => partition);
  const answers = await Promise.all(
    [...partitions.values()].map((logs) => askPartition(ports, tenant, index, query, limits, logs)),
  );
  const range = rowRange(query);
  const touched = (log: LogId, gaps: readonly Gap[]): LogGap[] =>
    gaps.filter((gap) => canTouch(gap, range, limits)).map(({ after, upTo, reason }) => ({ log, after, upTo, reason }));
  const plan = answers.flat();
  const inRange = ({ minMs, maxMs }: { minMs: number; maxMs: number }): boolean =>
    minMs <= range.endMs && maxMs >= range.startMs;
  const blocks = index.blocks.map((block) => ({ ...block, tenant }));
  const passed = [...trim.gaps, ...index.gaps];
  const unreadable = index.quarantine.filter(inRange);
  return {
    refs: [...blocks, ...plan.flatMap(({ refs }) => refs)].filter(inRange),
    partials: plan.map(({ partial }) => partial).filter((partial) => partial.length > 0),
    missing: [
      ...passed
        .filter((gap, i) => passed.findIndex((other) => isSame(gap, other)) === i)
        .flatMap((gap) => touched(gap.log, [gap])),
      ...unreadable.map(({ object, rows, reason }) => ({
        object,
        reason: `${rows} rows cannot be read: ${reason}`,
      })),
      ...plan.flatMap(({ logId, gaps, ownerless }) => [...touched(logId, gaps), ...(ownerless ?? [])]),
    ],
  };
}

/** A gap that T and W have both passed is in both. */
function isSame(a: TrimmedGap, b: TrimmedGap): boolean {
  return a.log === b.log && a.after === b.after && a.upTo === b.upTo;
}

type LogAnswer = OwnerAnswer & { readonly ownerless?: readonly LogGap[] };

async function askPartition(
  ports: PlanPorts,
  tenant: TenantId,
  index: TenantIndex,
  query: Query,
  limits: QueryLimits,
  logs: readonly RegisteredLog[],
): Promise<LogAnswer[]> {
  const from = logs.map(({ log, partition, T }): LogFrom => ({
    logId: log,
    partition,
    from: Math.max(T, containedUpTo(index, log)),
  }));
  const answers = await askOwner(ports.owners, tenant, query, from, limits);
  const known = new Map(answers.map((answer) => [answer.logId, answer]));
  return Promise.all(from.map(async (log) => known.get(log.logId) ?? readLog(ports.catalog, tenant, log)));
}

async function askOwner(
  owners: Owners,
  tenant: TenantId,
  query: Query,
  from: readonly LogFrom[],
  limits: QueryLimits,
): Promise<readonly OwnerAnswer[]> {
  try {
    return await owners.answer(tenant, query, from, limits);
  } catch (error) {
    if (isStaleIndex(error)) throw new StalePlan('an owner knows more than log/trim said');
    if (isNotOwner(error)) return [];
    throw error;
  }
}

/** What is committed of a log that nobody follows: everything when it is closed, else what comes after E is missing. */
async function readLog(catalog: CatalogReader, tenant: TenantId, { logId: log, from }: LogFrom): Promise<LogAnswer> {
  const chain = await readChain(catalog, log);
  if (chain === undefined) throw new StalePlan(`log ${log} is gone`);
  if (chain.T > from) throw new StalePlan(`log ${log} was trimmed`);
  const { E } = chain;
  const gaps = chain.manifests.filter(({ end }) => end > from).flatMap((manifest) => manifest.gaps);
  const answer = {
    logId: log,
    refs: partsAbove(chain.manifests, tenant, from),
    partial: new Uint8Array(),
    gaps,
    E,
    H: E,
  };
  if (chain.tip?.final === true) return answer;
  const reason = `nobody follows log ${log}: what is not in an object yet cannot be read`;
  return { ...answer, ownerless: [{ log, after: E, upTo: Number.MAX_SAFE_INTEGER, reason }] };
}
