import { KilnError, type TenantId } from '@kiln/model';

const RETRY_SECONDS = 1;

/** How many pushes of each tenant are taken in at the moment. */
export class PushTurns {
  readonly #limitOf: (tenant: TenantId) => number;
  /** None is 0. */
  readonly #taken = new Map<TenantId, number>();

  /** @param limitOf `max_concurrent_pushes` of a tenant, as it is now; 0 = any number. */
  constructor(limitOf: (tenant: TenantId) => number) {
    this.#limitOf = limitOf;
  }

  /**
   * Counts one push until it is disposed of.
   * @throws KilnError `resource_exhausted` with `Retry-After` when the tenant has as many as it may.
   */
  enter(tenant: TenantId): Disposable {
    const taken = this.#taken.get(tenant) ?? 0;
    const limit = this.#limitOf(tenant);
    if (limit > 0 && taken >= limit) {
      throw new KilnError(
        'resource_exhausted',
        `${taken} pushes of the tenant are taken in at once, limit ${limit} (max_concurrent_pushes, flag --distributor.max-concurrent-pushes): send again in a moment`,
        { reason: 'rate_limited', retryAfterSeconds: RETRY_SECONDS },
      );
    }
    this.#taken.set(tenant, taken + 1);
    return { [Symbol.dispose]: () => this.#leave(tenant) };
  }

  #leave(tenant: TenantId): void {
    const left = this.#taken.get(tenant)! - 1;
    if (left === 0) this.#taken.delete(tenant);
    else this.#taken.set(tenant, left);
  }
}
