import type { Clock } from '@kiln/async';
import { ColumnArena } from '@kiln/bytes';
import { duplicateWindowMs } from '@kiln/catalog';
import {
  describeIngest,
  normalizePprof,
  PprofReader,
  type IngestedPprof,
  type IngestSource,
  type Pprof,
  type ProfileLimits,
  type Relabeling,
} from '@kiln/formats';
import { KilnError, type TenantId } from '@kiln/model';
import type { Body } from '@kiln/rpc';
import { errorAsData, errorFromData, type ErrorAsData } from '@kiln/threads';
import { gunzipSized, inflateBody, isGzip } from './body.ts';
import { pushedLabels, type Accepted, type PlacedRecord, type Placer } from './placer.ts';
import { readIngestRequest, type IngestProfile } from './ingest-request.ts';
import { Rules, type RuleLimits } from './rules.ts';
import { readPushRequest, readPushRequestJson, type PushedSeries } from './push-request.ts';

/** The limits of a tenant that concern writes: those of a profile, and of a request. */
export interface WriteLimits extends ProfileLimits, RuleLimits {
  /** Bytes of a request's body, also decompressed; 0 = off. */
  readonly ingestionBodyLimitBytes: number;
}

/** A request of a write path as it crosses threads: plain data. */
export interface WriteCall {
  readonly tenant: TenantId;
  /** The body, or the message in it. */
  readonly body: Body;
  readonly form: PushForm | IngestForm;
}

export interface PushForm {
  readonly kind: 'push';
  readonly isJson: boolean;
  /** Old profiles on purpose: accepted as far back as the tenant keeps any. */
  readonly isBackfill?: boolean;
}

export interface IngestForm {
  readonly kind: 'ingest';
  /** Path and query. */
  readonly url: string;
  readonly contentType: string;
}

/** What a request holds, as plain data: records to append, and what was refused. */
export interface Reading {
  readonly records: readonly PlacedRecord[];
  /** In the records, and their uncompressed bytes as pushed. */
  readonly profiles: number;
  readonly bytes: number;
  readonly discarded: readonly { readonly reason: string; readonly bytes: number }[];
  readonly truncated: { readonly stacks: number; readonly strings: number };
  /** The first thing that was wrong; what the records hold is to be stored nevertheless. */
  readonly problem: ErrorAsData | undefined;
}

export interface ProfileReaderPorts {
  readonly placer: Placer;
  readonly clock: Clock;
}

/**
 * Reads requests of the write paths: decompresses, decodes and normalises their profiles within the tenant's limits, and makes records of the good
 * ones. All that takes time; holds nothing but scratch space, so it may live in any thread. One bad profile harms no other.
 */
export class ProfileReader {
  readonly #ports: ProfileReaderPorts;
  /** Tables and columns serve one request after the other: each becomes records without a pause between. */
  readonly #scratch: Scratch = { pprof: new PprofReader(), symbols: new ColumnArena(), rules: new Rules() };

  constructor(ports: ProfileReaderPorts) {
    this.#ports = ports;
  }

  /**
   * From decompressing to the records without a turn of the event loop: a thread holds one decompressed body at a time, and the profiles in it, each
   * within the body limit.
   * @param limits of the tenant, as they are now.
   * @throws KilnError for a request that cannot be read at all.
   */
  async read(call: WriteCall, limits: WriteLimits): Promise<Reading> {
    const { tenant, form } = call;
    const body = inflateBody(call.body, limits.ingestionBodyLimitBytes);
    if (form.kind === 'push')
      return this.push(tenant, form.isJson ? readPushRequestJson(textOf(body)) : readPushRequest(body), limits);
    const { source, read } = readIngestRequest(
      form.url,
      form.contentType,
      BigInt(this.#ports.clock.nowMs()) * 1_000_000n,
    );
    return this.ingest(tenant, source, await read(body), limits);
  }

  /** The profiles of a push. @throws KilnError when there is none. */
  push(tenant: TenantId, series: readonly PushedSeries[], limits: WriteLimits): Reading {
    if (!series.some(({ samples }) => samples.length > 0)) {
      throw new KilnError('invalid_argument', 'no profiles received: the request has no series with samples', {
        reason: 'malformed_profile',
      });
    }
    const batch = new Batch(this.#ports, this.#scratch, tenant, limits);
    for (const { labels, samples } of series)
      for (const { profile, id } of samples) batch.add(profile, id, (pprof) => ({ pprof, labels, names: 'as sent' }));
    return batch.reading();
  }

  /**
   * The profile of an `/ingest` request. A body without a profile holds nothing and is no error; what is wrong with the profile has status 422 here
   * (contract/pyroscope.md §3.2).
   */
  ingest(tenant: TenantId, source: IngestSource, body: IngestProfile | undefined, limits: WriteLimits): Reading {
    const batch = new Batch(this.#ports, this.#scratch, tenant, limits);
    if (body !== undefined && body.profile.length > 0)
      batch.add(body.profile, '', (pprof) => describeIngest(pprof, source, body.sampleTypes));
    const reading = batch.reading();
    if (reading.problem === undefined) return reading;
    return { ...reading, problem: errorAsData(unprocessable(errorFromData(reading.problem))) };
  }
}

/** What a route's own rules make of a decoded profile: possibly mended, with its labels. */
type Describe = (pprof: Pprof) => IngestedPprof;

/** Times before this are no time of a profile, but a count from somewhere else. */
const YEAR_1971_NANOS = 31_536_000_000_000_000n;

interface Scratch {
  readonly pprof: PprofReader;
  /** The symbol tables of one request's profiles. */
  readonly symbols: ColumnArena;
  readonly rules: Rules;
}

/** The profiles of one request on their way to records. */
class Batch {
  readonly #ports: ProfileReaderPorts;
  readonly #scratch: Scratch;
  readonly #tenant: TenantId;
  readonly #limits: WriteLimits;
  readonly #relabeling: Relabeling;
  readonly #accepted: Accepted[] = [];
  #profiles = 0;
  readonly #discarded: { reason: string; bytes: number }[] = [];
  #problem: KilnError | undefined;
  #bytes = 0;
  #good = 0;
  #stacks = 0;
  #strings = 0;

  constructor(ports: ProfileReaderPorts, scratch: Scratch, tenant: TenantId, limits: WriteLimits) {
    this.#ports = ports;
    this.#scratch = scratch;
    scratch.symbols.clear();
    this.#tenant = tenant;
    this.#limits = limits;
    this.#relabeling = scratch.rules.relabeling(limits);
  }

  add(raw: Uint8Array, clientId: string, describe: Describe): void {
    try {
      this.#addOrThrow(raw, clientId, describe);
    } catch (thrown) {
      const error = KilnError.from(thrown);
      // A fault: nothing of the push is stored, so that sending it again counts nothing twice.
      if (error.code === 'internal') throw error;
      this.#discarded.push({ reason: error.reason ?? 'unknown', bytes: raw.length });
      this.#problem ??= error;
    }
  }

  #addOrThrow(raw: Uint8Array, clientId: string, describe: Describe): void {
    const payload = this.#decompress(raw);
    this.#bytes += payload.length;
    const limit = this.#limits.ingestionBodyLimitBytes;
    if (limit > 0 && this.#bytes > limit) {
      throw new KilnError(
        'invalid_argument',
        `profiles of the request are too large: more than ${this.#bytes} bytes decompressed, limit ${limit} (ingestion_body_limit_mb)`,
        { reason: 'body_size_limit_exceeded' },
      );
    }
    const { pprof: reader, symbols: arena } = this.#scratch;
    const decoded = reader.read(payload);
    const { pprof, labels, names } = describe(decoded);
    const ownTimeNanos = decoded.timeNanos >= YEAR_1971_NANOS ? decoded.timeNanos : 0n;
    const receivedMs = this.#ports.clock.nowMs();
    const relabeling = this.#relabeling;
    const normalized = normalizePprof(pprof, { labels, names, limits: this.#limits, relabeling, receivedMs, arena });
    this.#stacks += normalized.truncatedStacks;
    this.#strings += normalized.truncatedStrings;
    this.#good += payload.length;
    const stored = normalized.profile === undefined ? [] : [normalized.profile, ...normalized.moved];
    if (normalized.droppedSamples.relabelled > 0) {
      // Of a profile that is stored in part the bytes are not lost.
      this.#discarded.push({ reason: 'dropped_by_relabel_rules', bytes: stored.length === 0 ? raw.length : 0 });
    }
    if (stored.length === 0) return;
    this.#profiles++;
    const pushed = { labels: pushedLabels(labels), ownTimeNanos, payload, clientId };
    for (const [i, profile] of stored.entries()) this.#accepted.push({ profile, isMoved: i > 0, ...pushed });
  }

  reading(): Reading {
    const window = duplicateWindowMs(this.#limits.rejectOlderThanMs, this.#limits.rejectNewerThanMs);
    const { records, problem } = this.#ports.placer.place(this.#tenant, this.#accepted, window);
    const first = this.#problem ?? problem;
    return {
      records,
      profiles: this.#profiles,
      bytes: this.#good,
      discarded: this.#discarded,
      truncated: { stacks: this.#stacks, strings: this.#strings },
      problem: first === undefined ? undefined : errorAsData(first),
    };
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
}

function textOf(body: Uint8Array): string {
  return Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString('utf8');
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
