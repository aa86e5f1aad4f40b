import type { Clock } from '@kiln/async';
import type { TenantId } from '@kiln/model';
import type { Metrics } from '@kiln/telemetry';

/** Who knows which series are active. */
export interface SeriesGate {
  /**
   * Counts series as active now: those that are already, and new ones while they fit.
   * @param keys hashes of series. @param weights how many each is, one for each value type. @param limit of the tenant's active series.
   * @returns a byte for each, 0 for one that does not fit.
   */
  admit(tenant: TenantId, keys: BigUint64Array, weights: Uint32Array, limit: number): Promise<Uint8Array>;
}

/** A series is forgotten this long to twice as long after its last profile. */
const WINDOW_MS = 1_800_000;

/** Series by key, with their weights: those seen in this window of time, and those of the one before that were not seen in this one. */
interface Known {
  current: Map<bigint, number>;
  before: Map<bigint, number>;
  count: number;
}

/** The active series of tenants that have a limit of them. Two series of one 64-bit hash count once. */
export class ActiveSeries implements SeriesGate {
  readonly #clock: Clock;
  readonly #tenants = new Map<TenantId, Known>();
  #window = 0;

  constructor(clock: Clock, metrics: Metrics) {
    this.#clock = clock;
    metrics.gaugeOf(
      {
        name: 'kiln_distributor_active_series',
        help: 'Series pushed within the last hour, of tenants that have a limit of them.',
      },
      () => this.count,
    );
  }

  /** Of all tenants that have a limit. */
  get count(): number {
    this.#turn();
    let count = 0;
    for (const known of this.#tenants.values()) count += known.count;
    return count;
  }

  admit(tenant: TenantId, keys: BigUint64Array, weights: Uint32Array, limit: number): Promise<Uint8Array> {
    this.#turn();
    const known = this.#tenants.get(tenant) ?? {
      current: new Map<bigint, number>(),
      before: new Map<bigint, number>(),
      count: 0,
    };
    this.#tenants.set(tenant, known);
    const admitted = new Uint8Array(keys.length);
    for (let i = 0; i < keys.length; i++) {
      const key = keys[i]!;
      const weight = weights[i]!;
      const isActive = known.current.has(key) || known.before.delete(key);
      if (!isActive && known.count + weight > limit) continue;
      if (!isActive) known.count += weight;
      known.current.set(key, weight);
      admitted[i] = 1;
    }
    return Promise.resolve(admitted);
  }

  /** Forgets what was not seen for a whole window, and tenants that have nothing else. A clock that goes back forgets nothing. */
  #turn(): void {
    const window = Math.floor(this.#clock.nowMs() / WINDOW_MS);
    if (window <= this.#window) return;
    const isNext = window === this.#window + 1;
    this.#window = window;
    for (const [tenant, known] of this.#tenants) {
      known.before = isNext ? known.current : new Map();
      known.current = new Map();
      known.count = 0;
      for (const weight of known.before.values()) known.count += weight;
      if (known.before.size === 0) this.#tenants.delete(tenant);
    }
  }
}
