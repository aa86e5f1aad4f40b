import type { IncomingMessage } from 'node:http';
import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import { KilnError } from '@kiln/model';
import { collectBody } from './collect-body.ts';
import type { Body } from './unary-call.ts';

const gunzipAsync = promisify(gunzip);

/**
 * Reads a body that is small by nature, such as that of a query, whole.
 * @throws KilnError `resource_exhausted` above `maxBytes`, `unimplemented` for an encoding but gzip, `canceled` when the client left.
 */
export async function readSmallBody(request: IncomingMessage, maxBytes: number): Promise<Body> {
  const encoding = (request.headers['content-encoding'] ?? 'identity').trim().toLowerCase();
  if (encoding !== 'identity' && encoding !== 'gzip')
    throw new KilnError(
      'unimplemented',
      `content encoding ${JSON.stringify(encoding)} is not supported: send gzip or identity`,
    );
  const bytes = await collectBody(request, (length) => {
    if (length > maxBytes) throw tooLarge(maxBytes);
  });
  return { bytes, isGzip: encoding === 'gzip' && bytes.length > 0 };
}

/**
 * What a small body or message holds.
 * @throws KilnError `resource_exhausted` above `maxBytes`, `invalid_argument` for broken gzip.
 */
export async function inflateSmall({ bytes, isGzip }: Body, maxBytes: number): Promise<Uint8Array> {
  if (!isGzip) return bytes;
  try {
    return await gunzipAsync(bytes, { maxOutputLength: maxBytes });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE') throw tooLarge(maxBytes);
    throw new KilnError('invalid_argument', `the body is not valid gzip: ${(error as Error).message}`);
  }
}

function tooLarge(maxBytes: number): KilnError {
  return new KilnError('resource_exhausted', `the message is larger than ${maxBytes} bytes, which no query needs`);
}
