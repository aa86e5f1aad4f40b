export type { Analysis, AnalyzedScope } from './analyze.ts';
export {
  partialBytes,
  type Answer,
  type AnswerGap,
  type AnswerStats,
  type LogGap,
  type Merged,
  type ObjectGap,
  type QueryMerge,
} from './answer.ts';
export { AVERAGE_SCALE } from './average-stacks.ts';
export { diffGraph, type DiffGraph, type DiffSide } from './diff-graph.ts';
export { flameGraph, type FlameGraph } from './flame-graph.ts';
export { functionSums, stacksThrough, treeTotal, type FunctionSum } from './function-sums.ts';
export type { FunctionTreeColumns } from './function-tree.ts';
export type { Exemplar } from './exemplars.ts';
export type { Heatmap } from './heatmap.ts';
export { profileIdOf } from './ids.ts';
export type { QueryLimits } from './limits.ts';
export type { PprofResult } from './pprof.ts';
export { treeOfPprof } from './pprof-tree.ts';
export { joinPprofTypes, type PprofTypes } from './pprof-types.ts';
export { partialOfTimes, reachesOut } from './profile-stats.ts';
export type { ProfileTypeAnswer } from './profile-types.ts';
export { decodeQuery, encodeQuery } from './query-codec.ts';
export {
  checkQuery,
  rowRange,
  type AverageStacksQuery,
  type GoPgo,
  type HeatmapQuery,
  type LabelNamesQuery,
  type LabelValuesQuery,
  type PprofQuery,
  type ProfileSelection,
  type ProfileTypesQuery,
  type Query,
  type QueryRange,
  type SampleSelection,
  type SelectSeriesQuery,
  type SeriesQuery,
  type StacktracesQuery,
  type ValuesOf,
} from './query.ts';
export { newQueryMerge } from './query-merge.ts';
export { readsOf, type Reads } from './reads.ts';
export { finishQuery, mergePartials, runQuery, type ResultOf } from './run.ts';
export type { RunStats } from './run-stats.ts';
export { stacktracesPartial, stacktracesTree, type StacktracesResult } from './stacktraces.ts';
export type { TimeSeries } from './time-series.ts';
