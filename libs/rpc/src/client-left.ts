import type { ServerResponse } from 'node:http';
import { KilnError } from '@kiln/model';

/**
 * Aborts with `canceled` when the client is gone before its answer was written: its connection closed (HTTP/1.1), or it reset the stream (HTTP/2).
 * An answer that waits behind another on its connection is told by the platform, a second later at most.
 */
export function clientLeft(response: ServerResponse): AbortSignal {
  const left = new AbortController();
  response.once('close', () => {
    if (!response.writableEnded) left.abort(new KilnError('canceled', 'the client left before it was answered'));
  });
  return left.signal;
}
