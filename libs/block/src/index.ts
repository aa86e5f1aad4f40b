export type { Codecs, DatasetSpans, DatasetTables, KeptIds, Page, RowColumns } from './tables.ts';
