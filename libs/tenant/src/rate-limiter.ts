import type { Clock } from '@kiln/async';
import { KilnError, type TenantId } from '@kiln/model';
import type { Limits } from './limits.ts';

/** Bytes that a tenant may still push, as of a moment. */
interface Bucket {
  bytes: number;
  atMs: number;
}

/** Tenants remembered before full buckets are thrown away: a full one is as good as none. */
const SWEEP_AT = 10_000;
const MIB = 1_048_576;

/** Token buckets, one per tenant, for the rate of this process. */
export class RateLimiter {
  readonly #clock: Clock;
  readonly #buckets = new Map<TenantId, Bucket>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /**
   * Takes the bytes of one request. One larger than the burst passes when the bucket is full and leaves a debt, so that every size passes at last.
   * @throws KilnError `resource_exhausted` with `Retry-After` when the tenant is over its rate; nothing is then taken.
   */
  take(tenant: TenantId, bytes: number, limits: Limits): void {
    if (limits.ingestionRateMb === 0) return;
    this.#check(tenant, bytes, limits).bytes -= bytes;
  }

  /** As `take`, but takes nothing. */
  check(tenant: TenantId, bytes: number, limits: Limits): void {
    if (limits.ingestionRateMb > 0) this.#check(tenant, bytes, limits);
  }

  #check(tenant: TenantId, bytes: number, limits: Limits): Bucket {
    const rate = limits.ingestionRateMb * MIB;
    const burst = Math.max(limits.ingestionBurstSizeMb * MIB, limits.maxProfileSizeBytes);
    const nowMs = this.#clock.nowMs();
    const bucket = this.#buckets.get(tenant) ?? { bytes: burst, atMs: nowMs };
    // A clock that went back gives nothing and takes nothing.
    bucket.bytes = Math.min(burst, bucket.bytes + (Math.max(0, nowMs - bucket.atMs) * rate) / 1000);
    bucket.atMs = nowMs;
    const missing = Math.min(bytes, burst) - bucket.bytes;
    if (missing > 0) throw overRate(limits, bytes, missing / rate);
    this.#buckets.set(tenant, bucket);
    if (this.#buckets.size > SWEEP_AT) this.#sweep(nowMs, rate, burst);
    return bucket;
  }

  #sweep(nowMs: number, rate: number, burst: number): void {
    for (const [tenant, { bytes, atMs }] of this.#buckets) {
      if (bytes + ((nowMs - atMs) * rate) / 1000 >= burst) this.#buckets.delete(tenant);
    }
  }
}

function overRate(limits: Limits, bytes: number, waitSeconds: number): KilnError {
  return new KilnError(
    'resource_exhausted',
    `push rate limit (${limits.ingestionRateMb} MiB/s) exceeded while adding ${bytes} bytes: wait, or raise ingestion_rate_mb (flag --distributor.ingestion-rate-limit-mb)`,
    { reason: 'rate_limited', retryAfterSeconds: Math.max(1, Math.ceil(waitSeconds)) },
  );
}
