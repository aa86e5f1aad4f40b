import type { Clock } from '@kiln/async';
import { KilnError, type TenantId } from '@kiln/model';
import type { Logger } from '@kiln/telemetry';
import type { QueryReply } from './query-calls.ts';

/** Who asks what. */
export interface AskedQuery {
  readonly tenants: readonly TenantId[];
  /** Of QuerierService, or the path of a GET. */
  readonly method: string;
  /** Of the request's trace, where it belongs to one. */
  readonly traceId: string | undefined;
}

/** Writes one line per query, when it has ended: whose, which, its range, how long it took and what it read, and how it ended. */
export class QueryLog {
  readonly #log: Logger;
  readonly #clock: Clock;

  constructor(log: Logger, clock: Clock) {
    this.#log = log;
    this.#clock = clock;
  }

  /** @throws what `work` throws. */
  async tell(asked: AskedQuery, work: () => Promise<QueryReply>): Promise<QueryReply> {
    const beganMs = this.#clock.nowMs();
    try {
      const reply = await work();
      this.#write(asked, beganMs, { outcome: 'answered', ...reply.took });
      return reply;
    } catch (error) {
      const { code, message } = KilnError.from(error);
      this.#write(asked, beganMs, { outcome: code, why: message.slice(0, MAX_WHY) });
      throw error;
    }
  }

  #write(
    { tenants, method, traceId }: AskedQuery,
    beganMs: number,
    fields: Readonly<Record<string, string | number>>,
  ): void {
    this.#log.info('query', {
      tenant: tenants.join('|'),
      traceId,
      method: method.slice(0, MAX_METHOD),
      ms: this.#clock.nowMs() - beganMs,
      ...fields,
    });
  }
}

const MAX_WHY = 300;
const MAX_METHOD = 100;
