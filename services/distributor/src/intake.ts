import type { Clock } from '@kiln/async';
import { KilnError, type Code, type TenantId } from '@kiln/model';
import { errorFromData } from '@kiln/threads';
import type { Distributor, Written } from './distributor.ts';
import type { Admission } from './quota.ts';
import type { WriteCall } from './profile-reader.ts';
import type { Reading, WriteLimits } from './reading.ts';

/** Who reads requests: a `ProfileReader` in this thread, or in another. */
export interface Reader {
  /** @throws KilnError for a request that cannot be read at all. */
  read(call: WriteCall, limits: WriteLimits): Promise<Reading>;
}

/** The rate of a tenant, in uncompressed bytes. */
export interface WriteRate {
  /** Takes nothing. @throws KilnError `resource_exhausted` with the seconds to wait when so many bytes would be too much now. */
  check(tenant: TenantId, bytes: number): void;
  /** @throws KilnError as `check`. */
  take(tenant: TenantId, bytes: number): void;
}

/** Hears what was refused and stored, for metrics. */
export interface IntakeObserver {
  stored(tenant: TenantId, profiles: number, bytes: number): void;
  /** @param groups usage groups, none for a tenant without. */
  discarded(tenant: TenantId, reason: string, bytes: number, groups: readonly string[]): void;
  received(tenant: TenantId, group: string, bytes: number): void;
  truncated(tenant: TenantId, what: 'stacks' | 'strings', count: number): void;
  /** Of a profile that is no error nothing is stored, or not what was said: why, for its tenant to see. */
  remarked(tenant: TenantId, why: KilnError): void;
}

export interface IntakePorts {
  readonly reader: Reader;
  readonly distributor: Distributor;
  readonly limits: (tenant: TenantId, isBackfill: boolean) => WriteLimits;
  readonly rate: WriteRate;
  /** Whether a quota of the tenant lets a push in. @throws KilnError `resource_exhausted` when it does not. */
  readonly quota: (tenant: TenantId) => Admission;
  /** Takes room for so many bytes of records, until they are appended. @throws KilnError when the tenant may store nothing more. */
  readonly takeRoom: (tenant: TenantId, bytes: number) => Disposable;
  readonly clock: Clock;
  readonly observe: IntakeObserver;
}

/** Codes that blame the request. */
const REFUSALS = new Set<Code>(['invalid_argument', 'resource_exhausted', 'unimplemented']);

/** A write from its body to the log: has it read elsewhere, holds the tenant to its rate, appends what is good. */
export class Intake {
  readonly #ports: IntakePorts;

  constructor(ports: IntakePorts) {
    this.#ports = ports;
  }

  bodyLimitBytes(tenant: TenantId): number {
    return this.#ports.limits(tenant, false).ingestionBodyLimitBytes;
  }

  nowNanos(): bigint {
    return BigInt(this.#ports.clock.nowMs()) * 1_000_000n;
  }

  /**
   * Who is over the rate anyhow costs no reading: neither of the body nor of what is in it.
   * @param bodyBytes as they are, or as the client announces them; 0 = it does not say.
   * @throws KilnError `resource_exhausted` when the length alone is too much now.
   */
  expect(tenant: TenantId, form: WriteCall['form'], bodyBytes: number): void {
    this.#ports.rate.check(tenant, leastBytes(form, bodyBytes));
  }

  /**
   * Stores every good profile of a request.
   * @param signal that nobody waits any more: what is not appended yet is not, and a failed append is not tried again.
   * @throws KilnError the first problem found, after the good ones are stored; `resource_exhausted` over the tenant's rate and `unavailable` when there is
   * no room for them or they could not be made durable: then nothing, or nothing more, is stored. The signal's reason.
   */
  async write(call: WriteCall, signal?: AbortSignal): Promise<Written[]> {
    const { reader, limits, quota } = this.#ports;
    const { tenant, body, form } = call;
    const admission = this.#refusable(tenant, 'ingest_limit_reached', body.bytes.length, () => quota(tenant));
    this.#refusable(tenant, 'rate_limited', body.bytes.length, () => this.expect(tenant, form, body.bytes.length));
    const isBackfill = form.kind === 'push' && form.isBackfill === true;
    const asked = { ...limits(tenant, isBackfill), hasPass: admission.hasPass };
    const reading = await this.counted(tenant, body.bytes.length, () => reader.read(call, asked));
    admission.settle(reading.usedPass);
    signal?.throwIfAborted();
    return this.store(tenant, reading, signal);
  }

  /** Reads a request, or a part of the way to it; what is refused as a whole is counted. @param bytes of it, as received. @throws what `read` throws. */
  async counted<T>(tenant: TenantId, bytes: number, read: () => Promise<T>): Promise<T> {
    try {
      return await read();
    } catch (error) {
      const { code, reason = 'unknown' } = KilnError.from(error);
      if (REFUSALS.has(code)) this.#ports.observe.discarded(tenant, reason, bytes, []);
      throw error;
    }
  }

  /** Stores what was read of a request. @throws KilnError as `write`. */
  async store(
    tenant: TenantId,
    { records, profiles, bytes, ratedBytes, groups, discarded, remark, truncated, problem }: Reading,
    signal?: AbortSignal,
  ): Promise<Written[]> {
    const { distributor, rate, takeRoom, observe } = this.#ports;
    for (const { reason, bytes: lost, groups: of } of discarded) observe.discarded(tenant, reason, lost, of);
    this.#refusable(tenant, 'rate_limited', ratedBytes, () => rate.take(tenant, ratedBytes));
    const recordBytes = records.reduce((sum, { record }) => sum + record.length, 0);
    using _room =
      recordBytes === 0
        ? undefined
        : this.#refusable(tenant, 'storage_full', bytes, () => takeRoom(tenant, recordBytes));
    if (truncated.stacks > 0) observe.truncated(tenant, 'stacks', truncated.stacks);
    if (truncated.strings > 0) observe.truncated(tenant, 'strings', truncated.strings);
    const written = records.length === 0 ? [] : await distributor.append(records, signal);
    if (profiles > 0) observe.stored(tenant, profiles, bytes);
    if (remark !== undefined) observe.remarked(tenant, errorFromData(remark));
    for (const [group, size] of groups) observe.received(tenant, group, size);
    if (problem !== undefined) throw errorFromData(problem);
    return written;
  }

  /** Counts what is refused as a whole. */
  #refusable<T>(tenant: TenantId, reason: string, bytes: number, decide: () => T): T {
    try {
      return decide();
    } catch (error) {
      this.#ports.observe.discarded(tenant, reason, bytes, []);
      throw error;
    }
  }
}

/** What the profiles in a body have at least: as many bytes, since they count uncompressed; in JSON they stand as base64, four for three. */
function leastBytes(form: WriteCall['form'], bodyBytes: number): number {
  return form.kind === 'push' && form.isJson ? Math.floor((bodyBytes * 3) / 4) : bodyBytes;
}
