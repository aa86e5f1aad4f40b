import { mapLimit, type Clock } from '@kiln/async';
import { formatDuration } from '@kiln/config';
import { KilnError, parseProfileTypeId, parseSelector, type TenantId } from '@kiln/model';
import { mergePartials, partialBytes, type Answer, type AnswerStats, type Query, type QueryLimits } from '@kiln/query';
import { pprofNodes, type RequestedRange } from './requests.ts';

/** Who answers queries: the querier, in this process or another. */
export interface Queries {
  /** @param signal that nobody waits for the answer any more. */
  query(tenant: TenantId, query: Query, signal: AbortSignal): Promise<Answer>;
}

/** The limits of a tenant that concern reads; 0 = off. */
export interface ReadLimits extends Required<QueryLimits> {
  readonly maxQueryLookbackMs: number;
  readonly retentionPeriodMs: number;
  readonly maxQueryLengthMs: number;
  readonly maxFlamegraphNodesDefault: number;
  readonly maxFlamegraphNodesMax: number;
  readonly maxFlamegraphNodesOnSelectMergeProfile: boolean;
  readonly queryAnalysisEnabled: boolean;
  readonly queryAnalysisSeriesEnabled: boolean;
  readonly includeStrippedProfiles: boolean;
}

/** Tenants of one read that are asked at once: others that read beside it find owners and disk in between. */
const TENANTS_AT_ONCE = 4;

/** A range within the tenant's limits, both ends inclusive. */
export type ClampedRange = { readonly startMs: number; readonly endMs: number };

/**
 * A series keeps the start that was asked for, because its steps count from there; rows before the clamped one are left out.
 * @param asked as it was requested. @param clamped what `selectRange` made of it.
 */
export function seriesRange(
  asked: RequestedRange,
  clamped: ClampedRange,
): ClampedRange & { readonly oldestMs?: number } {
  return asked.startMs >= clamped.startMs ? clamped : { ...asked, oldestMs: clamped.startMs };
}

/** Checks read requests by contract/pyroscope.md §5.1 and §5.3 and passes them on. Knows no protocol. */
export class QueryFrontend {
  readonly #queries: Queries;
  readonly #limits: (tenant: TenantId) => ReadLimits;
  readonly #clock: Clock;

  constructor(queries: Queries, limits: (tenant: TenantId) => ReadLimits, clock: Clock) {
    this.#queries = queries;
    this.#limits = limits;
    this.#clock = clock;
  }

  /** Unix milliseconds. */
  nowMs(): number {
    return this.#clock.nowMs();
  }

  /** The answer over all tenants together, as if their profiles were one tenant's. */
  async query(tenants: readonly TenantId[], query: Query, signal: AbortSignal): Promise<Answer> {
    const answers = await mapLimit(tenants, TENANTS_AT_ONCE, (tenant) => {
      signal.throwIfAborted();
      return this.#queries.query(tenant, query, signal);
    });
    signal.throwIfAborted();
    if (answers.length === 1) return answers[0]!;
    const partial = mergePartials(
      query,
      answers.map((answer) => partialBytes(answer.partial)).filter(({ length }) => length > 0),
      this.limitsOf(tenants),
    );
    const stats = answers.map((answer) => answer.stats).reduce(together);
    return { partial, gaps: answers.flatMap(({ gaps }) => gaps), stats };
  }

  /**
   * The range of a Select… request, or undefined when all of it lies before the lookback: the answer is then empty, whatever else was asked.
   * @throws KilnError `invalid_argument` when a bound is missing, the order is wrong or the range is too long.
   */
  selectRange(tenants: readonly TenantId[], { startMs, endMs }: RequestedRange): ClampedRange | undefined {
    if (startMs === 0 || endMs === 0)
      throw new KilnError(
        'invalid_argument',
        'missing time range in the query: start and end are Unix milliseconds, and neither may be 0',
        { reason: 'missing_time_range' },
      );
    return this.#clamp(tenants, startMs, endMs);
  }

  /** As `selectRange`, but no range at all means all that can be seen. */
  discoveryRange(tenants: readonly TenantId[], range: RequestedRange): ClampedRange | undefined {
    if (range.startMs !== 0 || range.endMs !== 0) return this.selectRange(tenants, range);
    const { maxQueryLookbackMs } = this.limitsOf(tenants);
    const now = this.#clock.nowMs();
    // Profiles may be a little newer than the clock (reject_newer_than); nothing is later than a day.
    return { startMs: maxQueryLookbackMs === 0 ? 1 : now - maxQueryLookbackMs, endMs: now + DAY_MS };
  }

  /** In words, the start before which nothing is answered, where one was asked for: by the lookback, or the shortest retention of the tenants. */
  leftOut(tenants: readonly TenantId[], { startMs, endMs }: RequestedRange): string | undefined {
    const { maxQueryLookbackMs, retentionPeriodMs } = this.limitsOf(tenants);
    const ms = smallestOn(maxQueryLookbackMs, retentionPeriodMs);
    const oldestMs = this.#clock.nowMs() - ms;
    if (ms === 0 || startMs === 0 || startMs >= oldestMs) return undefined;
    const names = [
      ...(ms === maxQueryLookbackMs ? [['max_query_lookback', '--querier.max-query-lookback']] : []),
      ...(ms === retentionPeriodMs ? [['retention_period', '--retention-period']] : []),
    ];
    const [limits, flags] = [0, 1].map((i) => names.map((each) => each[i]).join(' and '));
    const empty = endMs < oldestMs ? ', so the whole range is empty' : '';
    return `nothing before ${new Date(oldestMs).toISOString()} is answered${empty}: ${limits} ${names.length > 1 ? 'are' : 'is'} ${formatDuration(ms)} (${names.length > 1 ? 'flags' : 'flag'} ${flags})`;
  }

  /**
   * The nodes to keep in a flame graph or tree: the default for 0 or absent.
   * @throws KilnError `invalid_argument` beyond the limit.
   */
  maxNodes(tenants: readonly TenantId[], requested: bigint | undefined): number {
    const { maxFlamegraphNodesDefault, maxFlamegraphNodesMax } = this.limitsOf(tenants);
    const nodes = requested ?? 0n;
    if (maxFlamegraphNodesMax === 0) return nodes <= 0n ? (nodes < 0n ? 0 : maxFlamegraphNodesDefault) : Number(nodes);
    if (nodes < 0n || nodes > BigInt(maxFlamegraphNodesMax)) {
      throw new KilnError(
        'invalid_argument',
        `max_nodes ${nodes} is out of bounds: allowed are 1 to ${maxFlamegraphNodesMax} (max_flamegraph_nodes_max), 0 for the default of ${maxFlamegraphNodesDefault}`,
        { reason: 'flamegraph_limit' },
      );
    }
    return nodes === 0n ? maxFlamegraphNodesDefault : Number(nodes);
  }

  /**
   * The nodes to keep in a pprof: 0 is all of them, unless a tenant's limits on flame graphs hold for pprofs too.
   * @throws KilnError as `maxNodes`, where they do.
   */
  pprofNodes(tenants: readonly TenantId[], requested: bigint | undefined): number {
    if (this.limitsOf(tenants).maxFlamegraphNodesOnSelectMergeProfile) return this.maxNodes(tenants, requested);
    return pprofNodes(requested);
  }

  /** What all of the tenants allow. */
  limitsOf(tenants: readonly TenantId[]): ReadLimits {
    return tenants.map((tenant) => this.#limits(tenant)).reduce(strictest);
  }

  #clamp(tenants: readonly TenantId[], startMs: number, endMs: number): ClampedRange | undefined {
    if (startMs > endMs) {
      const times = [startMs, endMs].map((ms) => new Date(ms).toISOString()).join(' and ');
      throw new KilnError(
        'invalid_argument',
        `invalid time range: start ${startMs} is after end ${endMs}, which are ${times}`,
        { reason: 'invalid_time_range' },
      );
    }
    const { maxQueryLookbackMs, maxQueryLengthMs } = this.limitsOf(tenants);
    const oldest = maxQueryLookbackMs === 0 ? Number.MIN_SAFE_INTEGER : this.#clock.nowMs() - maxQueryLookbackMs;
    if (endMs < oldest) return undefined;
    const start = Math.max(startMs, oldest);
    if (maxQueryLengthMs !== 0 && endMs - start > maxQueryLengthMs) {
      throw new KilnError(
        'invalid_argument',
        `the query's range is too long: ${wholeSeconds(endMs - start)}, limit ${formatDuration(maxQueryLengthMs)} (max_query_length, flag --querier.max-query-length)`,
        { reason: 'query_limit' },
      );
    }
    return { startMs: start, endMs };
  }
}

/** @throws KilnError `invalid_argument` when the id or the selector does not parse; ids first. */
export function checkSelection(profileType: string, selector: string): void {
  parseProfileTypeId(profileType);
  parseSelector(selector);
}

/** Of two answers that were asked for at the same time. */
export function together(a: AnswerStats, b: AnswerStats): AnswerStats {
  return {
    objects: a.objects + b.objects,
    requests: a.requests + b.requests,
    bytes: a.bytes + b.bytes,
    rows: a.rows + b.rows,
    pages: a.pages + b.pages,
    buckets: a.buckets + b.buckets,
    resolutionMs: Math.max(a.resolutionMs, b.resolutionMs),
    plans: a.plans + b.plans,
    totalMs: Math.max(a.totalMs, b.totalMs),
  };
}

const DAY_MS = 24 * 3600 * 1000;

function strictest(a: ReadLimits, b: ReadLimits): ReadLimits {
  return {
    maxQueryLookbackMs: smallestOn(a.maxQueryLookbackMs, b.maxQueryLookbackMs),
    retentionPeriodMs: smallestOn(a.retentionPeriodMs, b.retentionPeriodMs),
    maxQueryLengthMs: smallestOn(a.maxQueryLengthMs, b.maxQueryLengthMs),
    maxFlamegraphNodesDefault: Math.min(a.maxFlamegraphNodesDefault, b.maxFlamegraphNodesDefault),
    maxFlamegraphNodesMax: smallestOn(a.maxFlamegraphNodesMax, b.maxFlamegraphNodesMax),
    maxFlamegraphNodesOnSelectMergeProfile:
      a.maxFlamegraphNodesOnSelectMergeProfile || b.maxFlamegraphNodesOnSelectMergeProfile,
    queryAnalysisEnabled: a.queryAnalysisEnabled && b.queryAnalysisEnabled,
    queryAnalysisSeriesEnabled: a.queryAnalysisSeriesEnabled && b.queryAnalysisSeriesEnabled,
    includeStrippedProfiles: a.includeStrippedProfiles && b.includeStrippedProfiles,
    maxResultNodes: smallestOn(a.maxResultNodes, b.maxResultNodes),
    maxResultSeries: smallestOn(a.maxResultSeries, b.maxResultSeries),
    maxResultPoints: smallestOn(a.maxResultPoints, b.maxResultPoints),
  };
}

function smallestOn(a: number, b: number): number {
  if (a === 0) return b;
  return b === 0 ? a : Math.min(a, b);
}

function wholeSeconds(ms: number): string {
  return formatDuration(Math.ceil(ms / 1000) * 1000);
}
