export { amountText, nanosPerUnit } from './amount.ts';
export { nameText } from './name-text.ts';
export { KilnError, type Code, type ErrorOptionsOfKiln } from './errors.ts';
export { ExactSums, exactFromBigInt, exactToBigInt, INT64_HI, SPILL, type ExactColumn } from './exact.ts';
export { fingerprint, hash64, labelSet, labelSetKey, labelValue, type Label, type LabelSet } from './label-set.ts';
export { LabelSetTable } from './label-set-table.ts';
export { makeLogId, parseLogId, type LogId } from './log-id.ts';
export { markedName, MARK_SIGN, markOf, plainName, type Annotation, type Mark } from './mark.ts';
export {
  compileRegex,
  createMatcher,
  DEFAULT_REGEX_LIMITS,
  type Condition,
  type Matcher,
  type MatchOp,
  type RegexLimits,
} from './matcher.ts';
export type {
  FunctionColumns,
  FunctionRow,
  LocationColumns,
  LocationRow,
  MappingColumns,
  MappingRow,
  NodeRow,
  Profile,
  SampleGroup,
  SampleType,
  SpanColumns,
  StackColumns,
  StackRow,
  StringColumn,
  StringRow,
  Symbols,
  TreeColumns,
  ValueType,
} from './profile.ts';
export { parseProfileTypeId, profileTypeId, type ProfileType } from './profile-type.ts';
export { RelabelRules } from './relabel.ts';
export { formatSelector, parseSelector, readConditions } from './selector.ts';
export {
  ANONYMOUS,
  parseTenantId,
  parseTenantIds,
  parseTenantSegment,
  tenantPathSegment,
  type TenantId,
} from './tenant-id.ts';
export { SECRET_SEED } from './secret-seed.ts';
