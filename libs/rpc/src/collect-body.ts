import type { IncomingMessage } from 'node:http';
import { KilnError } from '@kiln/model';

/**
 * A body in one buffer. Listens instead of iterating, which costs several promises a chunk. Leaving early pauses the request: its socket still has to
 * carry the answer.
 * @param take hears of every chunk before it is kept; throws to refuse the body.
 * @param signal ends the reading.
 * @throws KilnError `canceled` when the client left; what `take` throws; the signal's reason.
 */
export function collectBody(
  request: IncomingMessage,
  take: (lengthSoFar: number, chunkLength: number) => void,
  signal?: AbortSignal,
): Promise<Uint8Array> {
  const { promise, resolve, reject } = Promise.withResolvers<Uint8Array>();
  const chunks: Buffer[] = [];
  let length = 0;
  let over = false;
  const leave = (error?: unknown): void => {
    if (over) return;
    over = true;
    signal?.removeEventListener('abort', abort);
    request.off('data', listen).pause();
    const left = new KilnError('canceled', `the client left after ${length} bytes of the body`, { cause: error });
    reject(error instanceof KilnError || signal?.aborted ? error : left);
  };
  const abort = (): void => leave(signal?.reason);
  const listen = (chunk: Buffer): void => {
    length += chunk.length;
    try {
      take(length, chunk.length);
      chunks.push(chunk);
    } catch (error) {
      leave(error);
    }
  };
  request.on('data', listen);
  request.once('end', () => {
    over = true;
    signal?.removeEventListener('abort', abort);
    resolve(chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks, length));
  });
  request.on('error', leave);
  request.once('close', leave);
  signal?.addEventListener('abort', abort, { once: true });
  if (request.destroyed) leave();
  else if (signal?.aborted) abort();
  return promise;
}
