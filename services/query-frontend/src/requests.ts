import { KilnError, parseProfileTypeId, parseSelector, profileTypeId } from '@kiln/model';
import {
  profileIdOf,
  type GoPgo,
  type HeatmapQuery,
  type ProfileSelection,
  type SampleSelection,
  type ValuesOf,
} from '@kiln/query';
import { ExemplarType, HeatmapQueryType, type StackTraceSelector } from '@kiln/rpc';

/*
 * Fields of requests as parts of queries. A known field that is not obeyed is refused by name, because a selector that is ignored is a wrong sum.
 */

export interface RangeMessage {
  readonly start: bigint;
  readonly end: bigint;
}

/** Start and end as the client sent them, Unix milliseconds; 0 = not sent. */
export interface RequestedRange {
  readonly startMs: number;
  readonly endMs: number;
}

export function rangeOf({ start, end }: RangeMessage): RequestedRange {
  return { startMs: milliseconds('start', start), endMs: milliseconds('end', end) };
}

/** Far enough for any clock, near enough for exact arithmetic in doubles. */
const MAX_TIME_MS = 2 ** 50;

function milliseconds(field: string, value: bigint): number {
  if (value > BigInt(MAX_TIME_MS) || value < -BigInt(MAX_TIME_MS)) {
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

export function selection({
  profileTypeID,
  labelSelector,
}: {
  profileTypeID: string;
  labelSelector: string;
}): Pick<ProfileSelection, 'profileType' | 'selector'> {
  return { profileType: profileTypeID, selector: labelSelector };
}

export function seriesLimit(limit: bigint | undefined): number {
  return limit === undefined || limit <= 0n || limit > 1_000_000n ? 0 : Number(limit);
}

/** Fields that choose samples; not every request has all of them. */
export interface SampleFields {
  readonly profileIdSelector?: readonly string[];
  readonly spanSelector?: readonly string[];
  readonly traceIdSelector?: readonly string[];
  readonly stackTraceSelector?: StackTraceSelector | undefined;
}

/** @throws KilnError `invalid_argument` for an id that is none, naming it, and for spans and traces together. */
export function sampleSelection({
  profileIdSelector = [],
  spanSelector = [],
  traceIdSelector = [],
  stackTraceSelector,
}: SampleFields): SampleSelection {
  if (spanSelector.length > 0 && traceIdSelector.length > 0)
    throw invalid('span_selector and trace_id_selector cannot be sent together: leave one of them out');
  const parts: Record<keyof SampleSelection, string[]> = {
    profileIds: profileIdSelector.map(
      (id) => profileIdOf(id) ?? wrongId('profile_id_selector', id, 'a UUID, as exemplars give it'),
    ),
    spanIds: spanSelector.map((id) => hexId('span_selector', id, 16)),
    traceIds: traceIdSelector.map((id) => hexId('trace_id_selector', id, 32)),
    callSite: (stackTraceSelector?.callSite ?? []).map(({ name }) => name),
  };
  return Object.fromEntries(Object.entries(parts).filter(([, list]) => list.length > 0));
}

/** @throws KilnError `invalid_argument` when it is sent for an answer that is no pprof. */
export function goPgoOf(selector: StackTraceSelector | undefined, isPprof: boolean): { goPgo?: GoPgo } {
  if (selector?.goPgo === undefined) return {};
  if (!isPprof)
    throw invalid('stack_trace_selector.go_pgo makes a pprof for go build: send it with PROFILE_FORMAT_PPROF');
  const { keepLocations, aggregateCallees } = selector.goPgo;
  return { goPgo: { keepLocations, aggregateCallees } };
}

/** @throws KilnError `invalid_argument` below a millisecond. */
export function stepMsOf(step: number): number {
  const stepMs = Math.trunc(step * 1000);
  if (stepMs >= 1 && stepMs <= MAX_TIME_MS) return stepMs;
  throw invalid(`invalid step ${step}: allowed are seconds, 0.001 or more`);
}

/** Nodes of a pprof: any number, because a pprof has no limit of its own (contract/pyroscope.md §5.3). */
export function pprofNodes(requested: bigint | undefined): number {
  const nodes = requested ?? 0n;
  if (nodes < 0n) throw invalid(`max_nodes ${nodes} is out of bounds: allowed are 1 and more, 0 for the whole profile`);
  return nodes > BigInt(Number.MAX_SAFE_INTEGER) ? 0 : Number(nodes);
}

/** Which values exemplars of a series are chosen from, if any. */
export function exemplarsOf(type: ExemplarType): { exemplars?: ValuesOf } {
  const exemplars = valuesOfExemplars[type];
  return exemplars === undefined ? {} : { exemplars };
}

const valuesOfExemplars: { readonly [type in ExemplarType]?: ValuesOf } = {
  [ExemplarType.INDIVIDUAL]: 'profiles',
  [ExemplarType.SPAN]: 'spans',
};

const valuesOfHeatmaps: { readonly [type in HeatmapQueryType]?: ValuesOf } = {
  [HeatmapQueryType.INDIVIDUAL]: 'profiles',
  [HeatmapQueryType.SPAN]: 'spans',
};

/** @throws KilnError `invalid_argument` without a type, and for exemplars of another one. */
export function heatmapValues(
  queryType: HeatmapQueryType,
  exemplarType: ExemplarType,
): Pick<HeatmapQuery, 'of' | 'exemplars'> {
  const of = valuesOfHeatmaps[queryType];
  if (of === undefined)
    throw invalid('query_type is missing: HEATMAP_QUERY_TYPE_INDIVIDUAL or HEATMAP_QUERY_TYPE_SPAN');
  const exemplars = valuesOfExemplars[exemplarType];
  if (exemplars !== undefined && exemplars !== of)
    throw invalid(`exemplar_type asks for ${exemplars}, query_type for ${of}: send the same, or no exemplar_type`);
  return { of, exemplars: exemplars !== undefined };
}

/** @throws KilnError `invalid_argument` below 0. */
export function heatmapLimit(limit: bigint | undefined): number {
  if (limit !== undefined && limit < 0n)
    throw invalid(`limit ${limit} is out of bounds: allowed are series from 1 on, 0 for all`);
  return seriesLimit(limit);
}

/**
 * `<profile type id>{selector}`, or a selector alone, as selectors.
 * @throws KilnError `invalid_argument` when it does not parse.
 */
export function matchersOf(query: string): string[] {
  const brace = query.indexOf('{');
  const name = (brace < 0 ? query : query.slice(0, brace)).trim();
  if (!name.includes(':')) {
    parseSelector(query);
    return [query];
  }
  const type = parseProfileTypeId(name);
  const selector = brace < 0 ? '{}' : query.slice(brace);
  parseSelector(selector);
  return [`{__profile_type__=${JSON.stringify(profileTypeId(type.name, type))}}`, selector];
}

function hexId(field: string, id: string, digits: number): string {
  const isHex = id.length === digits && /^[0-9a-f]*$/i.test(id);
  return isHex ? id.toLowerCase() : wrongId(field, id, `${digits} hex digits`);
}

function wrongId(field: string, id: string, wanted: string): never {
  throw invalid(`${field} has ${JSON.stringify(id.slice(0, 60))}, want ${wanted}`);
}

function invalid(what: string): KilnError {
  return new KilnError('invalid_argument', what);
}
