import { MemoryLedger } from '@kiln/async';
import { KilnError, type TenantId } from '@kiln/model';
import { BYTES_PER_QUERY, type QueryQueueConfig } from './config.ts';

/** How a query ended, for metrics: `refused` did not find room to wait, or no memory to run; `left` and `late` were given up by their clients, waiting or running. */
export type QueryOutcome = 'answered' | 'failed' | 'refused' | 'left' | 'late';

export interface QueryQueueOptions extends QueryQueueConfig {
  /** `max_concurrent_queries` of a tenant, as it is now; 0 = none. */
  readonly limitOf: (tenant: TenantId) => number;
  /** Of the process: a query that runs is counted in it. */
  readonly ledger?: MemoryLedger | undefined;
  /** Hears of every query, once it has ended. */
  readonly observe: (outcome: QueryOutcome) => void;
}

interface Waiter {
  readonly tenants: readonly TenantId[];
  readonly enter: () => void;
  readonly refuse: () => void;
}

/**
 * Which queries run and which wait. A tenant's queries wait in the line of the tenant, first in, first out; lines are served in turn, so that a
 * tenant with many waits for itself. A query over several tenants waits in the line of the first, and counts for each. When too many wait, the
 * newest of the longest line is refused. A query for which the memory of the process has no room when its turn comes is refused too: before any push is.
 */
export class QueryQueue {
  readonly #options: QueryQueueOptions;
  readonly #ledger: MemoryLedger;
  /** In the order in which they are served. None is empty. */
  readonly #lines = new Map<TenantId, Waiter[]>();
  /** Queries that run, by tenant; none is 0. */
  readonly #runningOf = new Map<TenantId, number>();
  #running = 0;
  #waiting = 0;

  constructor(options: QueryQueueOptions) {
    this.#options = options;
    this.#ledger = options.ledger ?? MemoryLedger.create();
  }

  get running(): number {
    return this.#running;
  }

  get waiting(): number {
    return this.#waiting;
  }

  /**
   * Waits for its turn, then works; the turn is over when `work` has ended, not when `signal` aborts.
   * @param tenants one or more. @param signal ends the waiting; `work` is to obey it by itself.
   * @throws KilnError `resource_exhausted` when too many wait or memory is full; the signal's reason; what `work` throws.
   */
  async run<T>(tenants: readonly TenantId[], signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    let outcome: QueryOutcome = 'failed';
    try {
      await this.#turn(tenants, signal);
      try {
        const result = await this.#counted(work);
        outcome = 'answered';
        return result;
      } finally {
        this.#end(tenants);
      }
    } catch (error) {
      if (error instanceof QueueFullError || error instanceof MemoryFullError) outcome = 'refused';
      throw error;
    } finally {
      if (signal.aborted) outcome = KilnError.from(signal.reason).code === 'deadline_exceeded' ? 'late' : 'left';
      this.#options.observe(outcome);
    }
  }

  /** Works while the ledger holds what a query may take. */
  async #counted<T>(work: () => Promise<T>): Promise<T> {
    if (!this.#ledger.fits(BYTES_PER_QUERY)) throw new MemoryFullError(this.#ledger.describe(BYTES_PER_QUERY));
    this.#ledger.move('queries', 0, BYTES_PER_QUERY);
    try {
      return await work();
    } finally {
      this.#ledger.move('queries', BYTES_PER_QUERY, 0);
    }
  }

  /** Resolves when the query is counted as running. */
  async #turn(tenants: readonly TenantId[], signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    const line = tenants[0]!;
    if (!this.#lines.has(line) && this.#fits(tenants)) {
      this.#begin(tenants);
      return;
    }
    this.#makeRoom(line);
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const leave = (): void => {
      this.#drop(line, waiter);
      reject(signal.reason);
      this.#admit(); // it may have stood before others that fit
    };
    const waiter: Waiter = {
      tenants,
      enter: () => {
        signal.removeEventListener('abort', leave);
        this.#begin(tenants);
        resolve();
      },
      refuse: () => {
        signal.removeEventListener('abort', leave);
        reject(this.#full());
        this.#drop(line, waiter);
      },
    };
    signal.addEventListener('abort', leave, { once: true });
    this.#lines.set(line, [...(this.#lines.get(line) ?? []), waiter]);
    this.#waiting++;
    return promise;
  }

  #begin(tenants: readonly TenantId[]): void {
    this.#running++;
    for (const tenant of tenants) this.#runningOf.set(tenant, (this.#runningOf.get(tenant) ?? 0) + 1);
  }

  #end(tenants: readonly TenantId[]): void {
    this.#running--;
    for (const tenant of tenants) {
      const left = this.#runningOf.get(tenant)! - 1;
      if (left === 0) this.#runningOf.delete(tenant);
      else this.#runningOf.set(tenant, left);
    }
    this.#admit();
  }

  /** Serves lines in turn, one query each, until nothing more fits. */
  #admit(): void {
    // A line that is put back at the end comes again in the same loop.
    for (const [tenant, line] of this.#lines) {
      const next = line[0]!;
      if (!this.#fits(next.tenants)) continue;
      this.#drop(tenant, next);
      const rest = this.#lines.get(tenant);
      if (rest !== undefined && this.#lines.delete(tenant)) this.#lines.set(tenant, rest);
      next.enter();
    }
  }

  #fits(tenants: readonly TenantId[]): boolean {
    const { maxConcurrent, limitOf } = this.#options;
    if (this.#running >= maxConcurrent) return false;
    return tenants.every((tenant) => {
      const limit = limitOf(tenant);
      return limit === 0 || (this.#runningOf.get(tenant) ?? 0) < limit;
    });
  }

  #drop(tenant: TenantId, waiter: Waiter): void {
    const rest = this.#lines.get(tenant)!.filter((other) => other !== waiter);
    if (rest.length === 0) this.#lines.delete(tenant);
    else this.#lines.set(tenant, rest);
    this.#waiting--;
  }

  /** Room for one more to wait in a line. @throws QueueFullError when that line is the longest already, or would be. */
  #makeRoom(tenant: TenantId): void {
    if (this.#waiting < this.#options.maxWaiting) return;
    let longest: readonly Waiter[] = [];
    for (const line of this.#lines.values()) if (line.length > longest.length) longest = line;
    if (longest.length <= (this.#lines.get(tenant)?.length ?? 0) + 1) throw this.#full();
    longest.at(-1)!.refuse();
  }

  #full(): QueueFullError {
    return new QueueFullError(this.#running, this.#waiting, this.#options);
  }
}

const RETRY_SECONDS = 1;

class QueueFullError extends KilnError {
  constructor(running: number, waiting: number, { maxConcurrent, maxWaiting }: QueryQueueConfig) {
    super(
      'resource_exhausted',
      `too many queries: ${running} run (querier.max-concurrent is ${maxConcurrent}) and ${waiting} wait, of at most ${maxWaiting} (query-frontend.max-waiting): ask again in a moment`,
      { reason: 'too_many_queries', retryAfterSeconds: RETRY_SECONDS },
    );
  }
}

class MemoryFullError extends KilnError {
  constructor(why: string) {
    super('resource_exhausted', `no memory for a query: ${why}: ask again in a moment`, {
      reason: 'memory_ceiling',
      retryAfterSeconds: RETRY_SECONDS,
    });
  }
}
