import { KilnError } from '@kiln/model';

/** The rows a query looks at: both ends inclusive, Unix milliseconds, compared with a profile's time cut to milliseconds. */
export interface QueryRange {
  readonly startMs: number;
  readonly endMs: number;
}

/** One value type of the rows that a selector matches. */
export interface ProfileSelection extends QueryRange {
  /** `name:sampleType:sampleUnit:periodType:periodUnit`; a sixth part is ignored. */
  readonly profileType: string;
  /** Text of a selector; `{}` for all. */
  readonly selector: string;
}

/** Conditions on the samples of those rows. Each that is absent, or has nothing in its list, asks for nothing. */
export interface SampleSelection {
  /** Profiles: of each id the half that is stored, 16 hex digits in small letters (ids.ts). */
  readonly profileIds?: readonly string[];
  /** Spans: 16 hex digits in small letters each. Samples without a span are in none. Not together with `traceIds`. */
  readonly spanIds?: readonly string[];
  /** Traces: 32 hex digits in small letters each. */
  readonly traceIds?: readonly string[];
  /** Stacktraces whose outermost frames are functions of these names, root first. */
  readonly callSite?: readonly string[];
}

/** The merged function tree as a flame graph (contract/pyroscope.md §5.6), as tree bytes (§5.5) or as a call graph (§5.14). */
export interface StacktracesQuery extends ProfileSelection, SampleSelection {
  readonly kind: 'stacktraces';
  /** Nodes to keep, in a call graph functions; 0 keeps all. */
  readonly maxNodes: number;
  readonly format: 'flamegraph' | 'tree' | 'dot';
}

/** What a compiler of Go needs of a profile. */
export interface GoPgo {
  /** Locations to keep of each stacktrace, from the leaf on; 0 keeps all. */
  readonly keepLocations: number;
  /** Leaves out in which line of the innermost function a sample was taken, so that calls of it are one. */
  readonly aggregateCallees: boolean;
}

/**
 * The function tree of an average profile: per series the mean over its profiles in the range, then the sum over series. For what is counted at an
 * instant, such as memory in use, where a sum over time says nothing.
 */
export interface AverageStacksQuery extends ProfileSelection {
  readonly kind: 'averageStacks';
}

/** The merged stacktraces with their symbols, for a pprof (§5.12). */
export interface PprofQuery extends ProfileSelection, SampleSelection {
  readonly kind: 'pprof';
  /** Locations by path to keep, 0 keeps all; the rest under one becomes a function `other`. */
  readonly maxNodes: number;
  readonly goPgo?: GoPgo;
}

/** Several value types of the same rows, for one pprof: a row counts in every type that it has a value of, or in none, also while profiles come in. */
export interface PprofTypesQuery extends QueryRange {
  readonly kind: 'pprofTypes';
  /** As in ProfileSelection; one or more. */
  readonly profileTypes: readonly string[];
  readonly selector: string;
}

/** The queries of the single types, in their order. */
export function pprofQueries({ startMs, endMs, profileTypes, selector }: PprofTypesQuery): PprofQuery[] {
  return profileTypes.map((profileType) => ({ kind: 'pprof', startMs, endMs, profileType, selector, maxNodes: 0 }));
}

/** Sums per time step (§5.11). A point at T holds the rows of (T - step, T]; the first T is `startMs`. */
export interface SelectSeriesQuery extends ProfileSelection, Pick<SampleSelection, 'callSite'> {
  readonly kind: 'selectSeries';
  readonly stepMs: number;
  readonly groupBy: readonly string[];
  readonly aggregation: 'sum' | 'average';
  /** Series to keep; 0 keeps all. */
  readonly limit: number;
  /** Rows before are left out, while steps still count from `startMs`; absent = none is. */
  readonly oldestMs?: number;
  /** With the largest value of a profile, or of a sample of a span, of each point. */
  readonly exemplars?: ValuesOf;
  /** Also counts rows of which sampling has left but their sums. */
  readonly includesStripped?: boolean;
}

/** Single values: of profiles, all rows of one in a group together; of samples that belong to a span. */
export type ValuesOf = 'profiles' | 'spans';

/** How many values lie where, over time (§5.13). A slot at T holds the rows of (T - step, T]; the first T is `startMs`, the last one not before `endMs`. */
export interface HeatmapQuery extends ProfileSelection {
  readonly kind: 'heatmap';
  readonly of: ValuesOf;
  readonly stepMs: number;
  readonly groupBy: readonly string[];
  /** With the largest value of each cell. */
  readonly exemplars: boolean;
  /** Series to keep, those of the most values; 0 keeps all. */
  readonly limit: number;
  /** As in SelectSeriesQuery. */
  readonly oldestMs?: number;
}

/** The profile types that have a value in the range (§5.2). */
export interface ProfileTypesQuery extends QueryRange {
  readonly kind: 'profileTypes';
}

/** A discovery query: a series counts when every selector matches it; no selectors match all. */
export interface DiscoveryQuery extends QueryRange {
  readonly matchers: readonly string[];
}

/** What a query of that selection would have to look at. */
export interface AnalyzeQuery extends DiscoveryQuery {
  readonly kind: 'analyze';
}

/** The times of the oldest and the newest row. */
export interface ProfileStatsQuery extends QueryRange {
  readonly kind: 'profileStats';
}

export interface LabelNamesQuery extends DiscoveryQuery {
  readonly kind: 'labelNames';
  /** false leaves out names that are no `[a-zA-Z_][a-zA-Z0-9_]*`. */
  readonly utf8: boolean;
}

export interface LabelValuesQuery extends DiscoveryQuery {
  readonly kind: 'labelValues';
  readonly name: string;
}

export interface SeriesQuery extends DiscoveryQuery {
  readonly kind: 'series';
  /** The labels to answer; empty for all. */
  readonly labelNames: readonly string[];
  readonly utf8: boolean;
}

/** What to read, as plain data: it is cloned to workers and sent over the wire as it is. */
export type Query =
  | StacktracesQuery
  | AverageStacksQuery
  | PprofQuery
  | PprofTypesQuery
  | SelectSeriesQuery
  | HeatmapQuery
  | ProfileTypesQuery
  | LabelNamesQuery
  | LabelValuesQuery
  | SeriesQuery
  | AnalyzeQuery
  | ProfileStatsQuery;

/** The times of the rows that a query reads, for plans: SelectSeries and heatmaps reach back one step before `startMs`, but not before `oldestMs`. */
export function rowRange(query: Query): QueryRange {
  if (query.kind !== 'selectSeries' && query.kind !== 'heatmap') return { startMs: query.startMs, endMs: query.endMs };
  const { startMs, endMs, stepMs, oldestMs } = query;
  const firstMs = startMs - stepMs + 1;
  const lastMs = query.kind === 'heatmap' ? endMs : startMs + Math.floor((endMs - startMs) / stepMs) * stepMs;
  return { startMs: Math.max(firstMs, oldestMs ?? firstMs), endMs: lastMs };
}

/** Whether a query asks for the samples of some spans or traces: only their own values count then. */
export function asksForSpans({ spanIds = [], traceIds = [] }: SampleSelection): boolean {
  return spanIds.length + traceIds.length > 0;
}

/**
 * Checks a query's fields, not its selectors, which are compiled when it runs.
 * @throws KilnError `invalid_argument` naming the field.
 */
export function checkQuery(query: Query): void {
  whole('startMs', query.startMs, -MAX_TIME_MS);
  whole('endMs', query.endMs, -MAX_TIME_MS);
  if (query.startMs > query.endMs) invalid(`startMs ${query.startMs} is after endMs ${query.endMs}`);
  if (query.kind === 'selectSeries' || query.kind === 'heatmap') {
    whole('stepMs', query.stepMs, 1);
    whole('limit', query.limit, 0);
    if (query.oldestMs !== undefined) whole('oldestMs', query.oldestMs, -MAX_TIME_MS);
  }
  if (query.kind === 'stacktraces' || query.kind === 'pprof') whole('maxNodes', query.maxNodes, 0);
  if (query.kind === 'pprof' && query.goPgo !== undefined) whole('keepLocations', query.goPgo.keepLocations, 0);
  if (query.kind === 'stacktraces' || query.kind === 'pprof') checkIds(query);
  if (query.kind === 'pprofTypes' && query.profileTypes.length === 0)
    invalid('profileTypes is empty, want one or more');
  if (query.kind === 'labelValues' && query.name === '') invalid('name is required');
}

function checkIds({ profileIds = [], spanIds = [], traceIds = [] }: SampleSelection): void {
  hex('profileIds', profileIds, 16);
  hex('spanIds', spanIds, 16);
  hex('traceIds', traceIds, 32);
  if (spanIds.length > 0 && traceIds.length > 0) invalid('spanIds and traceIds together, allowed is one of them');
}

function hex(field: string, ids: readonly string[], digits: number): void {
  const wrong = ids.find((id) => id.length !== digits || !/^[0-9a-f]*$/.test(id));
  if (wrong !== undefined)
    invalid(`${field} has ${JSON.stringify(wrong.slice(0, 60))}, want ${digits} hex digits in small letters`);
}

/** Far enough for any clock, near enough that steps and differences stay whole doubles. */
const MAX_TIME_MS = 2 ** 51;

function whole(field: string, value: number, min: number): void {
  if (!Number.isSafeInteger(value) || value < min || value > MAX_TIME_MS)
    invalid(`${field} is ${value}, allowed are whole numbers from ${min} to ${MAX_TIME_MS}`);
}

function invalid(what: string): never {
  throw new KilnError('invalid_argument', what === 'name is required' ? what : `invalid query: ${what}`);
}
