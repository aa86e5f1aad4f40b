import { createHash } from 'node:crypto';
import { KilnError } from '@kiln/model';

/** The part of an object of `size` bytes that `getRange` means: [start, end). A negative offset counts from the end. */
export function byteRange(size: number, offset: number, length: number): { start: number; end: number } {
  if (!Number.isSafeInteger(offset) || !Number.isSafeInteger(length) || length < 0)
    throw new KilnError(
      'invalid_argument',
      `byte range at ${offset} of ${length} bytes: whole numbers, length 0 or more`,
    );
  const start = offset < 0 ? Math.max(0, size + offset) : Math.min(offset, size);
  return { start, end: Math.min(size, start + length) };
}

/** The tag of a content: the first 128 bits of its SHA-256, hex. Equal content has an equal tag; writers that compare raise a number in it. */
export function contentTag(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex').slice(0, 32);
}
