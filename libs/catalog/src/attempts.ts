import { retry } from '@kiln/async';
import { KilnError } from '@kiln/model';
import type { Catalog } from './catalog.ts';

/** How long a transition keeps trying: until the signal aborts, and no longer than `deadlineMs` when given. */
export interface Patience {
  readonly signal?: AbortSignal | undefined;
  readonly deadlineMs?: number;
}

/** For what a start or a command waits for. */
export const BRIEFLY: Patience = { deadlineMs: 10_000 };

const HOPELESS = new Set([
  'invalid_argument',
  'failed_precondition',
  'out_of_range',
  'unimplemented',
  'data_loss',
  'canceled',
]);

/**
 * Repeats `step`, which must be safe to repeat, while the store is in trouble (full disk, time-outs, no connection). Corrupt objects, broken
 * preconditions and faults of the program are thrown at once.
 */
export function persist<T>(catalog: Catalog, { signal, deadlineMs }: Patience, step: () => Promise<T>): Promise<T> {
  return retry(step, {
    clock: catalog.clock,
    random: catalog.random,
    baseMs: 50,
    maxMs: 5_000,
    signal,
    retryIf: mayPass,
    ...(deadlineMs === undefined ? {} : { deadlineMs }),
  });
}

function mayPass(error: unknown): boolean {
  if (error instanceof KilnError) return !HOPELESS.has(error.code);
  if (!(error instanceof Error)) return false;
  return !['CorruptDataError', 'TypeError', 'RangeError', 'ReferenceError', 'AbortError'].includes(error.name);
}
