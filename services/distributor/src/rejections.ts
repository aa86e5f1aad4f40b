import type { Clock } from '@kiln/async';
import type { Code, KilnError, TenantId } from '@kiln/model';

/** Pushes of a tenant that were refused for one cause. */
export interface Rejection {
  /** Of the first and of the last of them, Unix milliseconds. */
  readonly firstMs: number;
  readonly lastMs: number;
  /** How many pushes. */
  readonly times: number;
  readonly code: Code;
  /** As `kiln_discarded_profiles_total` counts them; '' where nothing counts. */
  readonly reason: string;
  /** What the client of the last one was told: what was found, what is allowed, which setting changes it. */
  readonly message: string;
  /** Whose profile it was; '' where it was refused before that was known. */
  readonly service: string;
}

/** Causes that are kept of each tenant. */
export const KEPT_REJECTIONS = 50;
/** Of a sentence and of a service's name. */
const MAX_MESSAGE = 500;
const MAX_SERVICE = 200;
/** What all tenants' together may hold; the tenant whose last refusal is longest ago goes first. */
const MAX_BYTES = 4 * 1024 * 1024;
/** Beside two bytes a character. */
const EACH_BYTES = 300;

/** No refusals: the client left, or did not wait. */
const NOT_REFUSED = new Set<Code>(['canceled', 'deadline_exceeded']);

/**
 * The last refused pushes of every tenant, in memory and since the process began: who cannot see the log of a client looks here for why its profiles do not
 * come in. Refusals that differ only in numbers are one entry, so that a client that tries again every ten seconds leaves room for others.
 */
export class Rejections {
  readonly sinceMs: number;
  readonly #clock: Clock;
  readonly #maxBytes: number;
  /** Both maps from the oldest to the newest. */
  readonly #byTenant = new Map<TenantId, Map<string, Rejection>>();
  #bytes = 0;

  constructor(clock: Clock, maxBytes: number = MAX_BYTES) {
    this.#clock = clock;
    this.#maxBytes = maxBytes;
    this.sinceMs = clock.nowMs();
  }

  get usedBytes(): number {
    return this.#bytes;
  }

  /** Newest first, at most `KEPT_REJECTIONS`. */
  of(tenant: TenantId): readonly Rejection[] {
    return [...(this.#byTenant.get(tenant)?.values() ?? [])].reverse();
  }

  /** @param service whose profile it was, where the error itself does not say. */
  note(tenant: TenantId, { code, reason = '', message, about }: KilnError, service = ''): void {
    if (NOT_REFUSED.has(code)) return;
    const lastMs = this.#clock.nowMs();
    const whose = (about ?? service).slice(0, MAX_SERVICE);
    const told = message.slice(0, MAX_MESSAGE);
    const cause = `${code} ${reason} ${JSON.stringify(whose)} ${told.replaceAll(/\d+/g, '0')}`;
    const own = this.#byTenant.get(tenant) ?? new Map<string, Rejection>();
    const { firstMs, times } = own.get(cause) ?? { firstMs: lastMs, times: 0 };
    this.#drop(own, cause);
    own.set(cause, { firstMs, lastMs, times: times + 1, code, reason, message: told, service: whose });
    this.#bytes += bytesOf(cause, told);
    if (own.size > KEPT_REJECTIONS) this.#drop(own, own.keys().next().value!);
    this.#byTenant.delete(tenant);
    this.#byTenant.set(tenant, own);
    this.#fit();
  }

  #drop(own: Map<string, Rejection>, cause: string): void {
    const gone = own.get(cause);
    if (gone === undefined) return;
    own.delete(cause);
    this.#bytes -= bytesOf(cause, gone.message);
  }

  #fit(): void {
    for (const [tenant, own] of this.#byTenant) {
      if (this.#bytes <= this.#maxBytes) return;
      for (const cause of own.keys()) this.#drop(own, cause);
      this.#byTenant.delete(tenant);
    }
  }
}

/** The cause holds the service's name once more. */
function bytesOf(cause: string, message: string): number {
  return EACH_BYTES + 2 * (2 * cause.length + message.length);
}
