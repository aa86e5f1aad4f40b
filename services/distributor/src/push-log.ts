import type { Clock } from '@kiln/async';
import { KilnError, type TenantId } from '@kiln/model';
import type { Logger } from '@kiln/telemetry';

/** Who pushes by which path. */
export interface SentPush {
  readonly tenant: TenantId;
  readonly path: string;
  /** Of the request's trace, where it belongs to one. */
  readonly traceId: string | undefined;
}

/** Lines about refusals that are written a second; a client that sends the same thing for ever should not fill a disk. */
const REFUSALS_A_SECOND = 10;
const MAX_WHY = 300;

/**
 * Writes one line per push when it has ended: whose, by which path, how long it took, and how it ended. Stored ones are of level debug, since agents send
 * several a second; refused ones of level info, a few a second, and how many more there were.
 */
export class PushLog {
  readonly #log: Logger;
  readonly #clock: Clock;
  #second = 0;
  #told = 0;
  #untold = 0;

  constructor(log: Logger, clock: Clock) {
    this.#log = log;
    this.#clock = clock;
  }

  /** @throws what `work` throws. */
  async tell<T>({ tenant, path, traceId }: SentPush, work: () => Promise<T>): Promise<T> {
    const beganMs = this.#clock.nowMs();
    const fields = () => ({ tenant, traceId, path, ms: this.#clock.nowMs() - beganMs });
    try {
      const done = await work();
      this.#log.debug('push', { ...fields(), outcome: 'stored' });
      return done;
    } catch (error) {
      const { code, message } = KilnError.from(error);
      if (this.#mayTell()) {
        const untold = this.#untold === 0 ? undefined : this.#untold;
        this.#log.info('push', { ...fields(), outcome: code, why: message.slice(0, MAX_WHY), untold });
        this.#untold = 0;
      }
      throw error;
    }
  }

  /** Counts those that are not told. */
  #mayTell(): boolean {
    const second = Math.floor(this.#clock.nowMs() / 1_000);
    if (second !== this.#second) this.#told = 0;
    this.#second = second;
    if (this.#told < REFUSALS_A_SECOND) {
      this.#told++;
      return true;
    }
    this.#untold++;
    return false;
  }
}
