import type { IncomingMessage } from 'node:http';
import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import { KilnError } from '@kiln/model';
import { collectBody } from './collect-body.ts';
import type { Held } from './in-flight.ts';
import type { Body } from './unary-call.ts';

const UNCOUNTED: Held = { expect: () => undefined, grow: () => undefined, release: () => undefined };

const gunzipAsync = promisify(gunzip);

/**
 * Reads a body that is small by nature, such as that of a query, whole.
 * @param held counts the bytes as they come; refuses an announced length that does not fit. Bodies of a few KB need not be counted.
 * @throws KilnError `resource_exhausted` above `maxBytes`, `unavailable` when it does not fit, `unimplemented` for an encoding but gzip, `canceled` when
 * the client left.
 */
export async function readSmallBody(request: IncomingMessage, maxBytes: number, held: Held = UNCOUNTED): Promise<Body> {
  const encoding = (request.headers['content-encoding'] || 'identity').trim().toLowerCase();
  if (encoding !== 'identity' && encoding !== 'gzip')
    throw new KilnError(
      'unimplemented',
      `content encoding ${JSON.stringify(encoding)} is not supported: send gzip or identity`,
    );
  const announced = Number(request.headers['content-length'] ?? 0);
  if (announced > maxBytes) throw tooLarge(maxBytes);
  held.expect(announced);
  const bytes = await collectBody(request, (length, chunk) => {
    if (length > maxBytes) throw tooLarge(maxBytes);
    held.grow(chunk);
  });
  return { bytes, isGzip: encoding === 'gzip' && bytes.length > 0 };
}

/**
 * What a small body or message holds; counted beside the body.
 * @throws KilnError `resource_exhausted` above `maxBytes`, `invalid_argument` for broken gzip.
 */
export async function inflateSmall(
  { bytes, isGzip }: Body,
  maxBytes: number,
  held: Held = UNCOUNTED,
): Promise<Uint8Array> {
  if (!isGzip) return bytes;
  try {
    const inflated = await gunzipAsync(bytes, { maxOutputLength: maxBytes });
    held.grow(inflated.length);
    return inflated;
  } catch (error) {
    if (error instanceof KilnError) throw error;
    if ((error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE') throw tooLarge(maxBytes);
    throw new KilnError('invalid_argument', `the body is not valid gzip: ${(error as Error).message}`);
  }
}

function tooLarge(maxBytes: number): KilnError {
  return new KilnError('resource_exhausted', `the message is larger than ${maxBytes} bytes, which no query needs`);
}
