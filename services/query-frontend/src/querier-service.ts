import { fromBinary } from '@bufbuild/protobuf';
import { encodePprof } from '@kiln/formats';
import { KilnError, type Label, type TenantId } from '@kiln/model';
import {
  finishQuery,
  type Answer,
  type AnswerGap,
  type FlameGraph,
  type PprofResult,
  type ProfileTypeAnswer,
  type Query,
} from '@kiln/query';
import {
  ExemplarType,
  ProfileFormat,
  ProfileSchema,
  type PprofMessage,
  TimeSeriesAggregationType,
  type QuerierService,
  type SelectMergeProfileRequest,
  type SelectMergeStacktracesRequest,
  type StackTraceSelector,
  type UnaryContext,
  type UnaryMethods,
} from '@kiln/rpc';
import {
  checkSelection,
  seriesRange,
  type ClampedRange,
  type QueryFrontend,
  type RequestedRange,
} from './query-frontend.ts';
import { serverTiming } from './server-timing.ts';

/** A call, and whose data it asks for. */
export interface QueryContext extends UnaryContext {
  /** One or more, each once. */
  readonly tenants: readonly TenantId[];
  /** That nobody waits for the answer any more. */
  readonly signal: AbortSignal;
}

/** The methods that this version answers; the rest of the service is `unimplemented`. */
type Answered = Pick<
  UnaryMethods<typeof QuerierService, QueryContext>,
  | 'profileTypes'
  | 'labelNames'
  | 'labelValues'
  | 'series'
  | 'selectMergeStacktraces'
  | 'selectMergeProfile'
  | 'selectSeries'
>;

/**
 * querier.v1.QuerierService: message → checked query → merged partial → message. Unknown fields are ignored; a known field that this version does
 * not obey is refused by name, because a selector that is ignored is a wrong sum.
 */
export function querierService(frontend: QueryFrontend): Answered {
  async function ask(context: QueryContext, query: Query): Promise<Answer> {
    const answer = await frontend.query(context.tenants, query, context.signal);
    context.setHeader('server-timing', serverTiming(answer.stats));
    if (answer.gaps.length > 0) context.setHeader('x-kiln-partial', gapsText(answer.gaps));
    return answer;
  }

  function selectRange(request: RangeMessage, context: QueryContext): ClampedRange | undefined {
    return frontend.selectRange(context.tenants, told(rangeOf(request), context));
  }

  function discoveryRange(request: RangeMessage, context: QueryContext): ClampedRange | undefined {
    return frontend.discoveryRange(context.tenants, told(rangeOf(request), context));
  }

  /** An answer to less than was asked for says so. */
  function told(asked: RequestedRange, context: QueryContext): RequestedRange {
    const note = frontend.leftOut(context.tenants, asked);
    if (note !== undefined) context.setHeader('x-kiln-note', note);
    return asked;
  }

  return {
    async profileTypes(request, context) {
      const range = discoveryRange(request, context);
      if (range === undefined) return {};
      const query = { kind: 'profileTypes', ...range } as const;
      const types = finishQuery(query, (await ask(context, query)).partial);
      return { profileTypes: types.map(profileTypeMessage) };
    },

    async labelNames(request, context) {
      const range = discoveryRange(request, context);
      if (range === undefined) return {};
      const query = { kind: 'labelNames', ...range, matchers: request.matchers, utf8: acceptsUtf8(context) } as const;
      return { names: [...finishQuery(query, (await ask(context, query)).partial)] };
    },

    async labelValues(request, context) {
      const range = discoveryRange(request, context);
      if (request.name === '') throw new KilnError('invalid_argument', 'name is required');
      if (range === undefined) return {};
      const query = { kind: 'labelValues', ...range, matchers: request.matchers, name: request.name } as const;
      return { names: [...finishQuery(query, (await ask(context, query)).partial)] };
    },

    async series(request, context) {
      const range = discoveryRange(request, context);
      if (range === undefined) return {};
      const { matchers, labelNames } = request;
      const query = { kind: 'series', ...range, matchers, labelNames, utf8: acceptsUtf8(context) } as const;
      const sets = finishQuery(query, (await ask(context, query)).partial);
      return { labelsSet: sets.map((labels) => ({ labels: labels.map(labelMessage) })) };
    },

    async selectMergeStacktraces(request, context) {
      const { tenants } = context;
      const range = selectRange(request, context);
      refuse('span_selector', request.spanSelector.length > 0);
      refuseUnobeyed(request);
      if (request.format === ProfileFormat.DOT) throw unobeyed('format PROFILE_FORMAT_DOT');
      if (request.format === ProfileFormat.PPROF) {
        return { pprof: { profile: await mergeProfile(request, range, context) } };
      }
      const format = request.format === ProfileFormat.TREE ? 'tree' : 'flamegraph';
      if (range === undefined) return format === 'tree' ? {} : { flamegraph: emptyFlameGraph() };
      checkSelection(request.profileTypeID, request.labelSelector);
      const query = {
        kind: 'stacktraces',
        format,
        ...range,
        ...selection(request),
        maxNodes: frontend.maxNodes(tenants, request.maxNodes),
      } as const;
      const { partial } = await ask(context, query);
      const result = finishQuery(query, partial);
      return result.format === 'tree' ? { tree: result.tree } : { flamegraph: flameGraphMessage(result.flameGraph) };
    },

    async selectMergeProfile(request, context) {
      const range = selectRange(request, context);
      refuseUnobeyed(request);
      return mergeProfile(request, range, context);
    },

    async selectSeries(request, context) {
      const range = selectRange(request, context);
      refuse('stack_trace_selector', request.stackTraceSelector !== undefined);
      const exemplars = request.exemplarType;
      refuse('exemplar_type', exemplars !== ExemplarType.UNSPECIFIED && exemplars !== ExemplarType.NONE);
      if (range === undefined) return {};
      checkSelection(request.profileTypeID, '{}');
      const stepMs = Math.trunc(request.step * 1000);
      if (!(stepMs >= 1)) {
        throw new KilnError('invalid_argument', `invalid step ${request.step}: allowed are seconds, 0.001 or more`);
      }
      checkSelection(request.profileTypeID, request.labelSelector);
      const query = {
        kind: 'selectSeries',
        ...seriesRange(rangeOf(request), range),
        ...selection(request),
        stepMs,
        groupBy: request.groupBy,
        aggregation: request.aggregation === TimeSeriesAggregationType.AVERAGE ? 'average' : 'sum',
        limit: seriesLimit(request.limit),
      } as const;
      const series = finishQuery(query, (await ask(context, query)).partial);
      return {
        series: series.map(({ labels, timeMs, value }) => ({
          labels: labels.map(labelMessage),
          points: Array.from(timeMs, (time, i) => ({ timestamp: BigInt(time), value: value[i]! })),
        })),
      };
    },
  };

  async function mergeProfile(
    request: SelectMergeStacktracesRequest | SelectMergeProfileRequest,
    range: ClampedRange | undefined,
    context: QueryContext,
  ) {
    if (range === undefined) return {};
    checkSelection(request.profileTypeID, request.labelSelector);
    const query = {
      kind: 'pprof',
      ...range,
      ...selection(request),
      maxNodes: frontend.pprofNodes(context.tenants, request.maxNodes),
    } as const;
    return pprofMessage(finishQuery(query, (await ask(context, query)).partial), range);
  }
}

const GAPS_SHOWN = 16;
const GAP_LENGTH = 200;

/** What may be missing, as a header: clients refuse one that is long, and a header has no text but ASCII. */
function gapsText(gaps: readonly AnswerGap[]): string {
  const shown = gaps.slice(0, GAPS_SHOWN).map(({ log, after, upTo, reason }) => {
    return `${log} (${after}, ${upTo}] ${reason}`.slice(0, GAP_LENGTH).replaceAll(/[^ -~]/g, '?');
  });
  return [...shown, ...(gaps.length > GAPS_SHOWN ? [`and ${gaps.length - GAPS_SHOWN} more`] : [])].join('; ');
}

/** Period of the merged profile, which no longer has one of its own: what clients expect by name (contract/pyroscope.md §5.12). */
const periods: Readonly<Record<string, bigint>> = { process_cpu: 1_000_000_000n, memory: 524_288n };

function pprofMessage(
  { symbols, values, type }: PprofResult,
  { endMs }: ClampedRange,
): PprofMessage | Record<string, never> {
  if (symbols.stacks.length === 0) return {};
  const bytes = encodePprof({
    symbols,
    types: [{ type: type.type, unit: type.unit, values }],
    periodType: { type: type.periodType, unit: type.periodUnit },
    period: periods[type.name] ?? 1n,
    timeNanos: BigInt(endMs) * 1_000_000n,
    durationNanos: 0n,
  });
  return fromBinary(ProfileSchema, bytes);
}

function flameGraphMessage({ names, levels, total, maxSelf }: FlameGraph) {
  return { names: [...names], levels: levels.map((level) => ({ values: Array.from(level, BigInt) })), total, maxSelf };
}

function emptyFlameGraph() {
  return { names: ['total'], levels: [{ values: [0n, 0n, 0n, 0n] }], total: 0n, maxSelf: 0n };
}

function profileTypeMessage({ id, name, type, unit, periodType, periodUnit }: ProfileTypeAnswer) {
  return { ID: id, name, sampleType: type, sampleUnit: unit, periodType, periodUnit };
}

function labelMessage({ name, value }: Label) {
  return { name, value };
}

interface RangeMessage {
  readonly start: bigint;
  readonly end: bigint;
}

function rangeOf({ start, end }: RangeMessage): RequestedRange {
  return { startMs: milliseconds('start', start), endMs: milliseconds('end', end) };
}

/** Far enough for any clock, near enough for exact arithmetic in doubles. */
const MAX_TIME_MS = 2n ** 50n;

function milliseconds(field: string, value: bigint): number {
  if (value > MAX_TIME_MS || value < -MAX_TIME_MS) {
    throw new KilnError(
      'invalid_argument',
      `${field} is ${value}, allowed are Unix milliseconds of at most ${MAX_TIME_MS}`,
      {
        reason: 'invalid_time_range',
      },
    );
  }
  return Number(value);
}

function selection({ profileTypeID, labelSelector }: { profileTypeID: string; labelSelector: string }) {
  return { profileType: profileTypeID, selector: labelSelector };
}

function seriesLimit(limit: bigint | undefined): number {
  return limit === undefined || limit <= 0n || limit > 1_000_000n ? 0 : Number(limit);
}

/** UTF-8 label names are shown to clients that say so: `Accept: …;allow-utf8-labelnames=true` (contract/pyroscope.md §1.2). */
function acceptsUtf8(context: UnaryContext): boolean {
  return /;\s*allow-utf8-labelnames\s*=\s*"?true"?\s*(;|,|$)/i.test(context.header('accept'));
}

function refuseUnobeyed(request: {
  stackTraceSelector?: StackTraceSelector | undefined;
  profileIdSelector: string[];
  traceIdSelector: string[];
}): void {
  refuse('stack_trace_selector', request.stackTraceSelector !== undefined);
  refuse('profile_id_selector', request.profileIdSelector.length > 0);
  refuse('trace_id_selector', request.traceIdSelector.length > 0);
}

function refuse(field: string, isSent: boolean): void {
  if (isSent) throw unobeyed(field);
}

function unobeyed(field: string): KilnError {
  return new KilnError('unimplemented', `${field} is not obeyed by this version: leave it out`);
}
