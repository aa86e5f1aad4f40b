import type { IncomingMessage } from 'node:http';

const MAX_BYTES = 64 * 1024 * 1024;

/**
 * Reads and drops what is left of a refused body, so that the client, which is still sending, gets to read the answer instead of a reset connection.
 * Bounded: past 64 MB the connection is cut; the server's request timeout bounds the time.
 */
export function drain(request: IncomingMessage): void {
  if (request.complete || request.destroyed) return;
  let dropped = 0;
  request.on('data', (chunk: Buffer) => {
    dropped += chunk.length;
    if (dropped > MAX_BYTES) request.destroy();
  });
  request.on('error', () => undefined);
  request.resume();
}
