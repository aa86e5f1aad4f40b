export type { Answer, AnswerGap, AnswerStats } from './answer.ts';
export { diffGraph, type DiffGraph, type DiffSide } from './diff-graph.ts';
export type { FlameGraph } from './flame-graph.ts';
export { profileIdOf, profileUuid } from './ids.ts';
export type { QueryLimits } from './limits.ts';
export type { PprofResult } from './pprof.ts';
export type { ProfileTypeAnswer } from './profile-types.ts';
export { decodeQuery, encodeQuery } from './query-codec.ts';
export {
  checkQuery,
  rowRange,
  type GoPgo,
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
} from './query.ts';
export { readsOf, type Reads } from './reads.ts';
export { finishQuery, mergePartials, runQuery, type ResultOf } from './run.ts';
export type { RunStats } from './run-stats.ts';
export type { StacktracesResult } from './stacktraces.ts';
export type { TimeSeries } from './time-series.ts';
