import type { Clock } from '@kiln/async';
import { duplicateWindowMs } from '@kiln/catalog';
import {
  describeIngest,
  normalizePprof,
  PprofReader,
  type IngestedPprof,
  type IngestSource,
  type Pprof,
  type ProfileLimits,
} from '@kiln/formats';
import { KilnError, type TenantId } from '@kiln/model';
import { gunzipSized, isGzip } from './body.ts';
import { pushedLabels, type Accepted, type Distributor, type Written } from './distributor.ts';
import type { Held } from './in-flight.ts';
import type { IngestProfile } from './ingest-request.ts';
import type { PushedSeries } from './push-request.ts';

/** The limits of a tenant that concern writes: those of a profile, and of a request. */
export interface WriteLimits extends ProfileLimits {
  /** Bytes of a request's body, also decompressed; 0 = off. */
  readonly ingestionBodyLimitBytes: number;
}

/** A profile's share of the tenant's rate is taken before it is read further. */
export interface WriteRate {
  /** @throws KilnError `resource_exhausted` with the seconds to wait. */
  take(tenant: TenantId, bytes: number): void;
}

/** Hears what was refused and stored, for metrics. */
export interface IntakeObserver {
  stored(tenant: TenantId, profiles: number, bytes: number): void;
  discarded(tenant: TenantId, reason: string, bytes: number): void;
  truncated(tenant: TenantId, what: 'stacks' | 'strings', count: number): void;
}

export interface IntakePorts {
  readonly distributor: Distributor;
  readonly limits: (tenant: TenantId) => WriteLimits;
  readonly rate: WriteRate;
  readonly clock: Clock;
  readonly observe: IntakeObserver;
}

/** A slice of parsing after which other work gets its turn, milliseconds. */
const SLICE_MS = 10;

/** Reads pushed profiles by their format, within the tenant's limits, and has the good ones stored. One bad profile harms no other. */
export class Intake {
  readonly #ports: IntakePorts;
  /** Its tables serve one profile after the other: each is read and normalised without a pause between. */
  readonly #reader = new PprofReader();

  constructor(ports: IntakePorts) {
    this.#ports = ports;
  }

  bodyLimitBytes(tenant: TenantId): number {
    return this.#ports.limits(tenant).ingestionBodyLimitBytes;
  }

  nowNanos(): bigint {
    return BigInt(this.#ports.clock.nowMs()) * 1_000_000n;
  }

  /**
   * Stores every good profile of a push.
   * @param held counts what is decompressed.
   * @throws KilnError the first problem found, after the good ones are stored; `unavailable` when they could not be.
   */
  async push(tenant: TenantId, series: readonly PushedSeries[], held?: Held): Promise<Written[]> {
    if (!series.some(({ samples }) => samples.length > 0)) {
      throw new KilnError('invalid_argument', 'no profiles received: the request has no series with samples', {
        reason: 'malformed_profile',
      });
    }
    const { clock } = this.#ports;
    const batch = new Batch(this.#ports, this.#reader, tenant, held);
    let since = clock.nowMs();
    for (const { labels, samples } of series) {
      for (const { profile, id } of samples) {
        batch.add(profile, id, (pprof) => ({ pprof, labels, names: 'as sent' }));
        if (clock.nowMs() - since < SLICE_MS) continue;
        await clock.sleep(0);
        since = clock.nowMs();
      }
    }
    return batch.store();
  }

  /**
   * Stores the profile of an `/ingest` request. A body without a profile stores nothing and is no error.
   * @throws KilnError; what is wrong with the profile has status 422 here (contract/pyroscope.md §3.2).
   */
  async ingest(
    tenant: TenantId,
    source: IngestSource,
    body: IngestProfile | undefined,
    held?: Held,
  ): Promise<Written[]> {
    if (body === undefined || body.profile.length === 0) return [];
    const batch = new Batch(this.#ports, this.#reader, tenant, held);
    batch.add(body.profile, '', (pprof) => describeIngest(pprof, source, body.sampleTypes));
    try {
      return await batch.store();
    } catch (thrown) {
      throw unprocessable(KilnError.from(thrown));
    }
  }
}

/** What a route's own rules make of a decoded profile: possibly mended, with its labels. */
type Describe = (pprof: Pprof) => IngestedPprof;

/** Times before this are no time of a profile, but a count from somewhere else. */
const YEAR_1971_NANOS = 31_536_000_000_000_000n;

/** The profiles of one request on their way to the log. */
class Batch {
  readonly #ports: IntakePorts;
  readonly #reader: PprofReader;
  readonly #tenant: TenantId;
  readonly #limits: WriteLimits;
  readonly #held: Held | undefined;
  readonly #accepted: Accepted[] = [];
  readonly #problems: KilnError[] = [];
  #bytes = 0;
  #stored = 0;

  constructor(ports: IntakePorts, reader: PprofReader, tenant: TenantId, held: Held | undefined) {
    this.#held = held;
    this.#ports = ports;
    this.#reader = reader;
    this.#tenant = tenant;
    this.#limits = ports.limits(tenant);
  }

  add(raw: Uint8Array, clientId: string, describe: Describe): void {
    try {
      this.#addOrThrow(raw, clientId, describe);
    } catch (thrown) {
      const error = KilnError.from(thrown);
      // A fault, or no room: nothing of the push is stored, so that sending it again counts nothing twice.
      if (error.code === 'internal' || error.code === 'unavailable') throw error;
      this.#ports.observe.discarded(this.#tenant, error.reason ?? 'unknown', raw.length);
      this.#problems.push(error);
    }
  }

  #addOrThrow(raw: Uint8Array, clientId: string, describe: Describe): void {
    const { rate, clock, observe } = this.#ports;
    const payload = this.#decompress(raw);
    if (payload !== raw) this.#held?.grow(payload.length);
    this.#bytes += payload.length;
    const limit = this.#limits.ingestionBodyLimitBytes;
    if (limit > 0 && this.#bytes > limit) {
      throw new KilnError(
        'invalid_argument',
        `profiles of the request are too large: more than ${this.#bytes} bytes decompressed, limit ${limit} (ingestion_body_limit_mb)`,
        { reason: 'body_size_limit_exceeded' },
      );
    }
    const decoded = this.#reader.read(payload);
    const { pprof, labels, names } = describe(decoded);
    const ownTimeNanos = decoded.timeNanos >= YEAR_1971_NANOS ? decoded.timeNanos : 0n;
    const normalized = normalizePprof(pprof, { labels, names, limits: this.#limits, receivedMs: clock.nowMs() });
    rate.take(this.#tenant, payload.length);
    if (normalized.truncatedStacks > 0) observe.truncated(this.#tenant, 'stacks', normalized.truncatedStacks);
    if (normalized.truncatedStrings > 0) observe.truncated(this.#tenant, 'strings', normalized.truncatedStrings);
    this.#stored += payload.length;
    if (normalized.profile === undefined) return;
    this.#accepted.push({ profile: normalized.profile, labels: pushedLabels(labels), ownTimeNanos, payload, clientId });
  }

  #decompress(raw: Uint8Array): Uint8Array {
    const limit = this.#limits.maxProfileSizeBytes;
    if (!isGzip(raw)) {
      if (limit > 0 && raw.length > limit) throw tooLarge(`${raw.length} bytes`, limit);
      return raw;
    }
    try {
      return gunzipSized(raw, limit === 0 ? Number.MAX_SAFE_INTEGER : limit);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE') {
        throw tooLarge(`more than ${limit} bytes decompressed from ${raw.length}`, limit);
      }
      throw new KilnError('invalid_argument', `profile is not valid gzip: ${(error as Error).message}`, {
        cause: error,
        reason: 'malformed_profile',
      });
    }
  }

  async store(): Promise<Written[]> {
    const { distributor, observe } = this.#ports;
    const window = duplicateWindowMs(this.#limits.rejectOlderThanMs, this.#limits.rejectNewerThanMs);
    const written = this.#accepted.length === 0 ? [] : await distributor.store(this.#tenant, this.#accepted, window);
    if (this.#accepted.length > 0) observe.stored(this.#tenant, this.#accepted.length, this.#stored);
    if (this.#problems.length > 0) throw this.#problems[0]!;
    return written;
  }
}

function tooLarge(found: string, limit: number): KilnError {
  return new KilnError(
    'invalid_argument',
    `profile too large: ${found}, limit ${limit} bytes (max_profile_size_bytes)`,
    {
      reason: 'profile_size_limit',
    },
  );
}

const ownStatus = new Set<KilnError['code']>(['resource_exhausted', 'unavailable', 'internal', 'canceled']);

/** On `/ingest` every problem of the profile itself is 422. */
function unprocessable(error: KilnError): KilnError {
  if (ownStatus.has(error.code)) return error;
  return new KilnError(error.code, error.message, {
    cause: error.cause,
    httpStatus: 422,
    ...(error.reason === undefined ? {} : { reason: error.reason }),
  });
}
