/** Bytes that are not what their format says: which format, where, and what was found. */
export class CorruptDataError extends Error {
  readonly format: string;
  /** Offset in the bytes that were being read. */
  readonly offset: number;

  constructor(format: string, offset: number, found: string) {
    super(`corrupt ${format} at byte ${offset}: ${found}`);
    this.name = 'CorruptDataError';
    this.format = format;
    this.offset = offset;
  }
}
