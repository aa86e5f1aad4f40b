import type { Clock } from '@kiln/async';
import type { TenantId } from '@kiln/model';
import type { Metrics } from '@kiln/telemetry';

/** The series of some profiles, one profile after the other. Plain data: it may cross a thread. */
export interface SeriesOfProfiles {
  /** Hashes of series. */
  readonly keys: BigUint64Array;
  /** How many each is, one for each value type. */
  readonly weights: Uint32Array;
  /** By profile, how many series are those of it and of the ones before it. */
  readonly ends: Uint32Array;
}

/** Who knows which series are active. */
export interface SeriesGate {
  /**
   * Counts the series of profiles as active now, where all of a profile's are active already or fit.
   * @param limit of the tenant's active series.
   * @returns a byte for each profile, 0 for one of which nothing is counted because it does not fit.
   */
  admit(tenant: TenantId, asked: SeriesOfProfiles, limit: number): Promise<Uint8Array>;
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

  admit(tenant: TenantId, { keys, weights, ends }: SeriesOfProfiles, limit: number): Promise<Uint8Array> {
    this.#turn();
    const known = this.#tenants.get(tenant) ?? {
      current: new Map<bigint, number>(),
      before: new Map<bigint, number>(),
      count: 0,
    };
    this.#tenants.set(tenant, known);
    const admitted = new Uint8Array(ends.length);
    for (let profile = 0, first = 0; profile < ends.length; first = ends[profile++]!) {
      const fresh = new Map<bigint, number>();
      for (let i = first; i < ends[profile]!; i++)
        if (!known.current.has(keys[i]!) && !known.before.has(keys[i]!)) fresh.set(keys[i]!, weights[i]!);
      const weight = [...fresh.values()].reduce((sum, one) => sum + one, 0);
      if (weight > 0 && known.count + weight > limit) continue;
      known.count += weight;
      for (let i = first; i < ends[profile]!; i++) {
        known.before.delete(keys[i]!);
        known.current.set(keys[i]!, weights[i]!);
      }
      admitted[profile] = 1;
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
