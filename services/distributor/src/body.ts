import type { IncomingMessage } from 'node:http';
import { constants, gunzipSync } from 'node:zlib';
import { KilnError } from '@kiln/model';
import { collectBody, type Body, type Held } from '@kiln/rpc';

/** The body was too large for a limit. The edge answers 413, or the code where the protocol has no such status. */
export class BodyTooLargeError extends KilnError {
  constructor(limitBytes: number, found: string) {
    super(
      'resource_exhausted',
      `request body too large: ${found}, limit ${limitBytes} bytes (ingestion_body_limit_mb, flag --distributor.ingestion-body-limit-mb)`,
      { reason: 'body_size_limit_exceeded', httpStatus: 413 },
    );
  }
}

/**
 * Reads a request's body into one buffer, as it came. The limit holds before the first byte is read (Content-Length) and while reading.
 * @param limitBytes 0 = no limit. @param held counts the bytes as they come; refuses an announced length that does not fit.
 * @param admit hears the announced length when all else in the head is fine; throws to refuse the body before it is read.
 * @param signal ends the reading.
 * @throws BodyTooLargeError; what `admit` throws; KilnError `unimplemented` for an encoding but gzip, `canceled` when the client left; the signal's reason.
 */
export async function readBody(
  request: IncomingMessage,
  limitBytes: number,
  held: Held,
  admit: (announced: number) => void,
  signal?: AbortSignal,
): Promise<Body> {
  const limit = limitBytes === 0 ? Number.MAX_SAFE_INTEGER : limitBytes;
  const announced = Number(request.headers['content-length'] ?? 0);
  if (announced > limit) throw new BodyTooLargeError(limitBytes, `${announced} bytes announced`);
  const encoding = (request.headers['content-encoding'] ?? 'identity').trim().toLowerCase();
  if (encoding !== 'identity' && encoding !== '' && encoding !== 'gzip') {
    throw new KilnError(
      'unimplemented',
      `content encoding ${JSON.stringify(encoding)} is not supported: send gzip or identity`,
      {
        httpStatus: 415,
      },
    );
  }
  admit(announced);
  held.expect(announced);
  const bytes = await collectBody(
    request,
    (length, chunk) => {
      if (length > limit) throw new BodyTooLargeError(limitBytes, `${length} bytes received`);
      held.grow(chunk);
    },
    signal,
  );
  return { bytes, isGzip: encoding === 'gzip' };
}

/**
 * What a body or message holds; the limit holds while decompressing, so that a bomb costs no memory. In one go: not for the thread of the sockets.
 * @param limitBytes 0 = no limit.
 * @throws BodyTooLargeError; KilnError `invalid_argument` for broken gzip.
 */
export function inflateBody({ bytes, isGzip: isSaid }: Body, limitBytes: number): Uint8Array {
  // Some clients name an encoding that the body does not have; the magic number is the truth, as for parts inside.
  if (!isSaid || !isGzip(bytes)) return bytes;
  try {
    return gunzipSized(bytes, limitBytes === 0 ? Number.MAX_SAFE_INTEGER : limitBytes);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE') {
      throw new BodyTooLargeError(limitBytes, `more than that decompressed from ${bytes.length}`);
    }
    throw badGzip(error);
  }
}

/** Starts with the magic number of gzip. */
export function isGzip(bytes: Uint8Array): boolean {
  return bytes.length >= 2 && bytes[0] === 0x1f && bytes[1] === 0x8b;
}

/**
 * gunzip in one call, sized by the trailer's length as a hint: it is the attacker's number, so it is clamped, and `limit` caps the output.
 * @throws Node's zlib errors; `ERR_BUFFER_TOO_LARGE` above the limit.
 */
export function gunzipSized(raw: Uint8Array, limit: number): Uint8Array {
  const view = new DataView(raw.buffer, raw.byteOffset, raw.byteLength);
  const hint = raw.length < 18 ? 0 : view.getUint32(raw.length - 4, true);
  const chunkSize = Math.min(Math.max(hint + 64, 1024), raw.length * 64 + 1024, 64 * 1024 * 1024);
  return gunzipSync(raw, { chunkSize, maxOutputLength: Math.min(limit, 2 ** 32), finishFlush: constants.Z_FINISH });
}

function badGzip(error: unknown): KilnError {
  return new KilnError('invalid_argument', `request body is not valid gzip: ${(error as Error).message}`, {
    cause: error,
    reason: 'malformed_profile',
  });
}
