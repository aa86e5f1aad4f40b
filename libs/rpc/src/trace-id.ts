import type { IncomingMessage } from 'node:http';

/** The trace that a request belongs to, 32 hex digits: of its header `traceparent` (https://www.w3.org/TR/trace-context/); undefined for none, and for one that is none. */
export function traceIdOf({ headers: { traceparent } }: IncomingMessage): string | undefined {
  const text = Array.isArray(traceparent) ? traceparent[0] : traceparent;
  return /^[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}/.exec(text ?? '')?.[1];
}
