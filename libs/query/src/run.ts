import type { DatasetTables } from '@kiln/block';
import { KilnError, type LabelSet } from '@kiln/model';
import { finishAverageStacks, mergeAverageStacks, runAverageStacks } from './average-stacks.ts';
import type { Merged } from './answer.ts';
import type { FunctionTreeColumns } from './function-tree.ts';
import { finishAnalyze, mergeAnalyze, runAnalyze, type Analysis } from './analyze.ts';
import { finishHeatmap, mergeHeatmap, runHeatmap, type Heatmap } from './heatmap.ts';
import { finishLabelNames, mergeLabelNames, runLabelNames } from './label-names.ts';
import { finishLabelValues, mergeLabelValues, runLabelValues } from './label-values.ts';
import type { QueryLimits } from './limits.ts';
import { finishPprof, mergePprof, runPprof, type PprofResult } from './pprof.ts';
import { finishPprofTypes, mergePprofTypes, runPprofTypes } from './pprof-types.ts';
import { finishProfileStats, mergeProfileStats, runProfileStats, type ProfileStats } from './profile-stats.ts';
import { finishProfileTypes, mergeProfileTypes, runProfileTypes, type ProfileTypeAnswer } from './profile-types.ts';
import type { RunStats } from './run-stats.ts';
import { checkQuery, type Query } from './query.ts';
import { finishSelectSeries, mergeSelectSeries, runSelectSeries } from './select-series.ts';
import { finishSeries, mergeSeries, runSeries } from './series.ts';
import { finishStacktraces, mergeStacktraces, runStacktraces, type StacktracesResult } from './stacktraces.ts';
import type { TimeSeries } from './time-series.ts';

/** The answer of each kind of query. */
export interface ResultOf {
  readonly stacktraces: StacktracesResult;
  readonly averageStacks: FunctionTreeColumns;
  readonly pprof: PprofResult;
  /** In the order of the types. */
  readonly pprofTypes: PprofResult[];
  readonly selectSeries: TimeSeries[];
  readonly heatmap: Heatmap;
  readonly profileTypes: ProfileTypeAnswer[];
  readonly labelNames: string[];
  readonly labelValues: string[];
  readonly series: LabelSet[];
  readonly analyze: Analysis;
  readonly profileStats: ProfileStats;
}

/**
 * Runs a query on some datasets of one tenant; the partial of no data is no bytes. Flame graphs and pprofs read roll-ups where a dataset has them
 * and all its series match: the sums are the same.
 * @param stats is added to.
 * @throws KilnError `invalid_argument` for a query that is none, `resource_exhausted` above a limit; CorruptDataError from damaged tables.
 */
export function runQuery(
  query: Query,
  datasets: Iterable<DatasetTables>,
  limits: QueryLimits = {},
  stats?: RunStats,
): Uint8Array {
  checkQuery(query);
  switch (query.kind) {
    case 'stacktraces':
      return runStacktraces(query, datasets, limits, stats);
    case 'averageStacks':
      return runAverageStacks(query, datasets, limits, stats);
    case 'pprof':
      return runPprof(query, datasets, limits, stats);
    case 'pprofTypes':
      return runPprofTypes(query, datasets, limits, stats);
    case 'selectSeries':
      return runSelectSeries(query, datasets, limits);
    case 'heatmap':
      return runHeatmap(query, datasets, limits);
    case 'profileTypes':
      return runProfileTypes(query, datasets, limits);
    case 'labelNames':
      return runLabelNames(query, datasets, limits);
    case 'labelValues':
      return runLabelValues(query, datasets, limits);
    case 'series':
      return runSeries(query, datasets, limits);
    case 'analyze':
      return runAnalyze(query, datasets, limits);
    case 'profileStats':
      return runProfileStats(query, datasets);
    default:
      return unknownKind(query);
  }
}

/**
 * Partials of disjoint rows as one. Any grouping and order of merges finishes to the same answer.
 * @throws CorruptDataError for a damaged partial, KilnError `resource_exhausted` above a limit.
 */
export function mergePartials(query: Query, partials: readonly Uint8Array[], limits: QueryLimits = {}): Uint8Array {
  switch (query.kind) {
    case 'stacktraces':
      return mergeStacktraces(partials, limits);
    case 'averageStacks':
      return mergeAverageStacks(partials, limits);
    case 'pprof':
      return mergePprof(partials, limits);
    case 'pprofTypes':
      return mergePprofTypes(query, partials, limits);
    case 'selectSeries':
      return mergeSelectSeries(query, partials, limits);
    case 'heatmap':
      return mergeHeatmap(query, partials, limits);
    case 'profileTypes':
      return mergeProfileTypes(partials, limits);
    case 'labelNames':
      return mergeLabelNames(partials, limits);
    case 'labelValues':
      return mergeLabelValues(partials, limits);
    case 'series':
      return mergeSeries(partials, limits);
    case 'analyze':
      return mergeAnalyze(partials, limits);
    case 'profileStats':
      return mergeProfileStats(partials);
    default:
      return unknownKind(query);
  }
}

/**
 * The answer. Truncation and limits of what is shown happen here, once.
 * @throws CorruptDataError for a damaged partial, KilnError `out_of_range` for a sum above int64.
 */
export function finishQuery<Q extends Query>(query: Q, partial: Merged): ResultOf[Q['kind']] {
  const result = partial instanceof Uint8Array ? finish(query, partial) : partial.finish(query);
  return result as ResultOf[Q['kind']];
}

function finish(query: Query, partial: Uint8Array): ResultOf[Query['kind']] {
  switch (query.kind) {
    case 'stacktraces':
      return finishStacktraces(query, partial);
    case 'averageStacks':
      return finishAverageStacks(partial);
    case 'pprof':
      return finishPprof(query, partial);
    case 'pprofTypes':
      return finishPprofTypes(query, partial);
    case 'selectSeries':
      return finishSelectSeries(query, partial);
    case 'heatmap':
      return finishHeatmap(query, partial);
    case 'profileTypes':
      return finishProfileTypes(partial);
    case 'labelNames':
      return finishLabelNames(query, partial);
    case 'labelValues':
      return finishLabelValues(partial);
    case 'series':
      return finishSeries(partial);
    case 'analyze':
      return finishAnalyze(partial);
    case 'profileStats':
      return finishProfileStats(partial);
    default:
      return unknownKind(query);
  }
}

function unknownKind(query: never): never {
  throw new KilnError('invalid_argument', `unknown kind of query: ${JSON.stringify(query).slice(0, 100)}`);
}
