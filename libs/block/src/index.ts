export type { DatasetCounts, SectionPlace } from './contents.ts';
export {
  neededTailBytes,
  readDirectory,
  readFooter,
  TAIL_BYTES,
  type Directory,
  type Footer,
  type TenantEntry,
} from './directory.ts';
export type { Compression } from './codec.ts';
export { mergePage } from './page/merge-page.ts';
export { PageBuilder } from './page/page-builder.ts';
export { SampleSorter } from './page/sample-sorter.ts';
export { PageRows } from './page/page-rows.ts';
export { openPart, type Part, type PartDataset, type StoredTables } from './part.ts';
export { decodeRecord, type LogRecord, type RecordDataset } from './record/record.ts';
export { MAX_BODY_BYTES } from './record/record-layout.ts';
export { RecordBuilder, type RecordOptions } from './record/record-builder.ts';
export { readIds } from './sections/kept-ids.ts';
export type { PageSummary, StoredPage } from './sections/page-directory.ts';
export { writeSegment, type Segment, type SegmentContent } from './segment.ts';
export { SymbolRemap } from './symbols/symbol-remap.ts';
export { SymbolTable } from './symbols/symbol-table.ts';
export type { Codecs, DatasetSpans, DatasetTables, KeptIds, Page, RowColumns } from './tables.ts';
export { verifyObject, type Problem } from './verify.ts';
