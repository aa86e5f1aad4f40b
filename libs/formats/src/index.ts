export { describeIngest, YEAR_1971_NANOS, type IngestedPprof, type IngestSource } from './ingest/describe-ingest.ts';
export { parseIngestName, type IngestName } from './ingest/ingest-name.ts';
export { metricNameFor, parseSampleTypeConfig, type SampleTypeConfig } from './ingest/sample-type-config.ts';
export { parseTimeParam, readTimeParam, TIME_FORMS } from './ingest/time-param.ts';
export { checkLabels, type Relabeling } from './labels.ts';
export type { Language } from './language.ts';
export type { ProfileLimits } from './limits.ts';
export { normalizePprof, type DroppedSamples, type Normalized, type NormalizeRequest } from './normalize.ts';
export { stripPprof } from './strip.ts';
export { decodePprof, PprofReader } from './pprof/decode.ts';
export { encodePprof, type PprofContent } from './pprof/encode.ts';
export {
  KEPT,
  textOf,
  type Pprof,
  type PprofFunctions,
  type PprofLocations,
  type PprofMappings,
  type PprofPaths,
  type PprofSamples,
  type PprofStrings,
  type PprofValueType,
} from './pprof/pprof.ts';
export type { FunctionNames } from './symbol-resolver.ts';
