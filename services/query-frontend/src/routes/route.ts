import type { QueryContext } from '../ask.ts';

/** What a read by GET answers. */
export interface RouteAnswer {
  readonly contentType: string;
  readonly body: string | Uint8Array;
  /** Names the file that a browser saves. */
  readonly fileName?: string;
}

/** A read by GET: what its address says, and whose data. @throws KilnError as QuerierService does. */
export type Route = (parameters: URLSearchParams, context: QueryContext) => Promise<RouteAnswer>;

/** Text that is JSON already, as an answer. */
export function jsonAnswer(text: string): RouteAnswer {
  return { contentType: 'application/json', body: text };
}

/** The content type of bytes that are no text, and that nobody compresses once more. */
export const BINARY = 'application/octet-stream';
