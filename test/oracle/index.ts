export {
  Oracle,
  stacksOfAnswer,
  type OracleIngest,
  type OraclePush,
  type OracleQuery,
  type OracleRange,
  type OracleValue,
  type PprofStack,
  type Verdict,
} from './oracle.ts';
export {
  decodeFlameGraph,
  decodeTree,
  encodeTree,
  treeStacks,
  type FlameGraphAnswer,
  type TreeNode,
} from './function-tree.ts';
export { compareBytes, defaultLimits, Refusal, type OracleLimits } from './labels.ts';
export { pprofFromJson, readPprof, unzipped, type PprofMessage } from './pprof-message.ts';
export {
  normalise,
  frameKey,
  profileFaults,
  type Frame,
  type Normalised,
  type StoredGroup,
  type StoredSample,
} from './normalise.ts';
export { fileParts, ingestMetricName, parseIngestName, parseTimeText } from './ingest-form.ts';
export { readPush, type PushMessageSeries } from './push-message.ts';
export { querierMessages, pushMessages } from './wire-messages.ts';
