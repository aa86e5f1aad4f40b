import type { IncomingMessage } from 'node:http';
import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import { KilnError } from '@kiln/model';
import type { BodyReader } from './unary-call.ts';

const gunzipAsync = promisify(gunzip);

/** Reads messages that are small by nature, such as those of queries, whole; `maxBytes` also holds after decompression. */
export function smallBody(request: IncomingMessage, maxBytes: number): BodyReader {
  const inflate = async (compressed: Uint8Array): Promise<Uint8Array> => {
    try {
      return await gunzipAsync(compressed, { maxOutputLength: maxBytes });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE') throw tooLarge(maxBytes);
      throw new KilnError('invalid_argument', `the body is not valid gzip: ${(error as Error).message}`);
    }
  };
  return {
    gunzip: inflate,
    read: async () => {
      const encoding = (request.headers['content-encoding'] ?? 'identity').trim().toLowerCase();
      if (encoding !== 'identity' && encoding !== 'gzip')
        throw new KilnError(
          'unimplemented',
          `content encoding ${JSON.stringify(encoding)} is not supported: send gzip or identity`,
        );
      const body = await collect(request, maxBytes);
      return encoding === 'gzip' && body.length > 0 ? inflate(body) : body;
    },
  };
}

function collect(request: IncomingMessage, maxBytes: number): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let length = 0;
    request.on('data', (chunk: Buffer) => {
      length += chunk.length;
      if (length <= maxBytes) chunks.push(chunk);
      else {
        chunks.length = 0; // the rest flows by: the client gets to read the answer
        reject(tooLarge(maxBytes));
      }
    });
    request.on('end', () => resolve(Buffer.concat(chunks)));
    const left = (): void => reject(new KilnError('canceled', `the client left after ${length} bytes of the body`));
    request.on('error', left).on('aborted', left);
  });
}

function tooLarge(maxBytes: number): KilnError {
  return new KilnError('resource_exhausted', `the message is larger than ${maxBytes} bytes, which no query needs`);
}
