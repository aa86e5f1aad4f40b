export { ColumnArena } from './column-arena.ts';
export { CorruptDataError } from './corrupt-data-error.ts';
export { ByteReader } from './reader.ts';
export { ByteWriter } from './writer.ts';
