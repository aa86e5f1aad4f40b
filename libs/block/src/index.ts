export { BlockWriter, writeBlock, type Block, type BlockContent, type BlockHead } from './block.ts';
export { mergeDatasets, type MergedDatasets } from './compact/merge-datasets.ts';
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
export { missingContents, missingPages, missingSections, type SectionSet } from './fetch.ts';
export { mergePage } from './page/merge-page.ts';
export { PageBuilder } from './page/page-builder.ts';
export { SampleSorter } from './page/sample-sorter.ts';
export { PAGE_BYTES, SealedPage } from './page/sealed-page.ts';
export { PageRows } from './page/page-rows.ts';
export { openPart, PartWriter, type Part, type PartDataset } from './part.ts';
export type { StoredTables } from './stored-tables.ts';
export { PartBytes } from './part-bytes.ts';
export type { Place } from './region.ts';
export { decodeRecord, RecordReader, type LogRecord, type RecordDataset } from './record/record.ts';
export { MAX_BODY_BYTES } from './record/record-layout.ts';
export { RecordBuilder, type RecordOptions } from './record/record-builder.ts';
export { readIds } from './sections/kept-ids.ts';
export type { PageSummary, StoredPage } from './sections/page-directory.ts';
export { writeSegment, type Segment, type SegmentContent } from './segment.ts';
export { SymbolRemap } from './symbols/symbol-remap.ts';
export { SymbolTable } from './symbols/symbol-table.ts';
export type { Codecs, DatasetSpans, DatasetTables, KeptIds, Page, Rollup, RowColumns } from './tables.ts';
export { verifyDataset, verifyObject, type Problem } from './verify.ts';
