import type { Clock } from '@kiln/async';
import { KilnError, type TenantId } from '@kiln/model';
import type { Limits } from './limits.ts';

/** Bytes that a tenant may still push, as of a moment. */
interface Bucket {
  bytes: number;
  atMs: number;
  /** When it is full again if nothing is taken, by the limits it was last taken from. */
  fullAtMs: number;
}

/** Tenants remembered before full buckets are thrown away: a full one is as good as none. */
const SWEEP_AT = 10_000;
const MIB = 1_048_576;

/** Token buckets, one per tenant, for the rate of this process. */
export class RateLimiter {
  readonly #clock: Clock;
  readonly #buckets = new Map<TenantId, Bucket>();
  #sweepAt = SWEEP_AT;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /**
   * Takes the bytes of one request. One larger than the burst passes when the bucket is full and leaves a debt, so that every size passes at last.
   * @throws KilnError `resource_exhausted` with `Retry-After` when the tenant is over its rate; nothing is then taken.
   */
  take(tenant: TenantId, bytes: number, limits: Limits): void {
    if (limits.ingestionRateMb === 0) return;
    const { nowMs, rate, burst, held } = this.#check(tenant, bytes, limits);
    const left = held - bytes;
    if (!this.#buckets.has(tenant) && this.#buckets.size >= this.#sweepAt) this.#sweep(nowMs);
    this.#buckets.set(tenant, { bytes: left, atMs: nowMs, fullAtMs: nowMs + ((burst - left) * 1000) / rate });
  }

  /** As `take`, but takes nothing. */
  check(tenant: TenantId, bytes: number, limits: Limits): void {
    if (limits.ingestionRateMb > 0) this.#check(tenant, bytes, limits);
  }

  #check(
    tenant: TenantId,
    bytes: number,
    limits: Limits,
  ): { readonly nowMs: number; readonly rate: number; readonly burst: number; readonly held: number } {
    const rate = limits.ingestionRateMb * MIB;
    const burst = Math.max(limits.ingestionBurstSizeMb * MIB, limits.maxProfileSizeBytes);
    const nowMs = this.#clock.nowMs();
    const bucket = this.#buckets.get(tenant);
    if (bucket !== undefined) {
      // A clock that went back gives nothing and takes nothing.
      bucket.bytes = Math.min(burst, bucket.bytes + (Math.max(0, nowMs - bucket.atMs) * rate) / 1000);
      bucket.atMs = nowMs;
    }
    const held = bucket?.bytes ?? burst;
    const missing = Math.min(bytes, burst) - held;
    if (missing > 0) throw overRate(limits, bytes, missing / rate);
    return { nowMs, rate, burst, held };
  }

  /** Goes through all of them only when they have doubled since the last time, so that a push pays for one or two. */
  #sweep(nowMs: number): void {
    for (const [tenant, { fullAtMs }] of this.#buckets) if (fullAtMs <= nowMs) this.#buckets.delete(tenant);
    this.#sweepAt = Math.max(SWEEP_AT, 2 * this.#buckets.size);
  }
}

function overRate(limits: Limits, bytes: number, waitSeconds: number): KilnError {
  return new KilnError(
    'resource_exhausted',
    `push rate limit (${limits.ingestionRateMb} MiB/s) exceeded while adding ${bytes} bytes: wait, or raise ingestion_rate_mb (flag --distributor.ingestion-rate-limit-mb)`,
    { reason: 'rate_limited', retryAfterSeconds: Math.max(1, Math.ceil(waitSeconds)) },
  );
}
