export { mergePage } from './page/merge-page.ts';
export { PageBuilder } from './page/page-builder.ts';
export { PageRows } from './page/page-rows.ts';
export { decodeRecord, MAX_BODY_BYTES, type LogRecord, type RecordDataset } from './record/record.ts';
export { RecordBuilder, type RecordOptions } from './record/record-builder.ts';
export type { SymbolRemap } from './symbols/symbol-remap.ts';
export { SymbolTable } from './symbols/symbol-table.ts';
export type { Codecs, DatasetSpans, DatasetTables, KeptIds, Page, RowColumns } from './tables.ts';
