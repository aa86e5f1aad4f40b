import { Mutex, type Clock, type Random } from '@kiln/async';
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
import { hash64, KilnError, labelSetKey, type Label, type LabelSet, type TenantId, type ValueType } from '@kiln/model';
import type { Body } from '@kiln/rpc';
import { errorAsData, errorFromData, type ErrorAsData } from '@kiln/threads';
import type { SeriesGate } from './active-series.ts';
import { gunzipSized, inflateBody, isGzip } from './body.ts';
import { pushedLabels, type Accepted, type PlacedRecord, type Placer } from './placer.ts';
import { readIngestRequest, type IngestProfile } from './ingest-request.ts';
import { Rules, type RuleLimits } from './rules.ts';
import { isSampled, type UsageRules } from './usage.ts';
import { readPushRequest, readPushRequestJson, type PushedSeries } from './push-request.ts';

/** The limits of a tenant that concern writes: those of a profile, and of a request. */
export interface WriteLimits extends ProfileLimits, RuleLimits {
  /** Bytes of a request's body, also decompressed; 0 = off. */
  readonly ingestionBodyLimitBytes: number;
  /** Active series at most; 0 = any number. */
  readonly maxSeries: number;
  /** Partitions that the tenant's services are spread over; 0 = all. */
  readonly tenantShards: number;
  /** The request may store what a reached quota of a usage group would refuse. */
  readonly hasPass?: boolean;
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
  /** Uncompressed bytes that count for the rate: also those of profiles that rules dropped. */
  readonly ratedBytes: number;
  /** Uncompressed bytes by usage group, of profiles that were taken in. */
  readonly groups: ReadonlyMap<string, number>;
  readonly usedPass: boolean;
  readonly discarded: readonly Discarded[];
  readonly truncated: { readonly stacks: number; readonly strings: number };
  /** The first thing that was wrong; what the records hold is to be stored nevertheless. */
  readonly problem: ErrorAsData | undefined;
}

/** A profile that is not stored, or not all of it. */
export interface Discarded {
  readonly reason: string;
  /** As received; 0 of a profile that is stored in part. */
  readonly bytes: number;
  readonly groups: readonly string[];
}

export interface ProfileReaderPorts {
  readonly placer: Placer;
  readonly series: SeriesGate;
  /** Decides which profiles of a share are kept. */
  readonly random: Random;
  readonly clock: Clock;
}

/**
 * Reads requests of the write paths: decompresses, decodes and normalises their profiles within the tenant's limits, and makes records of the good
 * ones. All that takes time; holds nothing but scratch space, so it may live in any thread. One bad profile harms no other.
 */
export class ProfileReader {
  readonly #ports: ProfileReaderPorts;
  /** One request at a time: while the gate of series is asked the scratch space is in use. */
  readonly #turn = new Mutex();
  /** Tables and columns serve one request after the other: each becomes records without a pause between. */
  readonly #scratch: Scratch = { pprof: new PprofReader(), symbols: new ColumnArena(), rules: new Rules() };

  constructor(ports: ProfileReaderPorts) {
    this.#ports = ports;
  }

  /**
   * One after the other: a thread holds one decompressed body at a time, and the profiles in it, each within the body limit.
   * @param limits of the tenant, as they are now.
   * @throws KilnError for a request that cannot be read at all.
   */
  async read(call: WriteCall, limits: WriteLimits): Promise<Reading> {
    return this.#turn.run(() => this.#read(call, limits));
  }

  async #read(call: WriteCall, limits: WriteLimits): Promise<Reading> {
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
  async push(tenant: TenantId, series: readonly PushedSeries[], limits: WriteLimits): Promise<Reading> {
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
  async ingest(
    tenant: TenantId,
    source: IngestSource,
    body: IngestProfile | undefined,
    limits: WriteLimits,
  ): Promise<Reading> {
    const batch = new Batch(this.#ports, this.#scratch, tenant, limits);
    if (body !== undefined && body.profile.length > 0)
      batch.add(body.profile, '', (pprof) => describeIngest(pprof, source, body.sampleTypes));
    const reading = await batch.reading();
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
  readonly #usage: UsageRules;
  readonly #discarded: Discarded[] = [];
  readonly #groupBytes = new Map<string, number>();
  #problem: KilnError | undefined;
  #bytes = 0;
  #rated = 0;
  #usedPass = false;
  /** Of the profile that is being added, as far as they are known. */
  #groups: readonly string[] = [];
  #stacks = 0;
  #strings = 0;

  constructor(ports: ProfileReaderPorts, scratch: Scratch, tenant: TenantId, limits: WriteLimits) {
    this.#ports = ports;
    this.#scratch = scratch;
    scratch.symbols.clear();
    this.#tenant = tenant;
    this.#limits = limits;
    this.#relabeling = scratch.rules.relabeling(limits);
    this.#usage = scratch.rules.usage(limits);
  }

  add(raw: Uint8Array, clientId: string, describe: Describe): void {
    this.#groups = [];
    try {
      this.#addOrThrow(raw, clientId, describe);
    } catch (thrown) {
      const error = KilnError.from(thrown);
      // A fault: nothing of the push is stored, so that sending it again counts nothing twice.
      if (error.code === 'internal') throw error;
      this.#discard(error.reason ?? 'unknown', raw.length);
      this.#problem ??= error;
    }
  }

  #discard(reason: string, bytes: number): void {
    this.#discarded.push({ reason, bytes, groups: this.#groups });
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
    if (!this.#isWanted(labels)) {
      this.#rated += payload.length;
      this.#discard('dropped_by_sampling_rules', raw.length);
      return;
    }
    const ownTimeNanos = decoded.timeNanos >= YEAR_1971_NANOS ? decoded.timeNanos : 0n;
    const receivedMs = this.#ports.clock.nowMs();
    const relabeling = this.#relabeling;
    const normalized = normalizePprof(pprof, { labels, names, limits: this.#limits, relabeling, receivedMs, arena });
    this.#stacks += normalized.truncatedStacks;
    this.#strings += normalized.truncatedStrings;
    this.#rated += payload.length;
    const stored = normalized.profile === undefined ? [] : [normalized.profile, ...normalized.moved];
    // Of a profile that is stored in part the bytes are not lost.
    if (normalized.droppedSamples.relabelled > 0)
      this.#discard('dropped_by_relabel_rules', stored.length === 0 ? raw.length : 0);
    if (stored.length === 0) return;
    for (const group of this.#groups) this.#groupBytes.set(group, (this.#groupBytes.get(group) ?? 0) + payload.length);
    const pushed = { labels: pushedLabels(labels), ownTimeNanos, payload, clientId };
    for (const [i, profile] of stored.entries()) this.#accepted.push({ profile, isMoved: i > 0, ...pushed });
  }

  /** What its labels say of a profile before it is looked into. @throws KilnError `resource_exhausted` when the quota of its group is reached. */
  #isWanted(labels: readonly Label[]): boolean {
    const { groups, closed, share } = this.#usage.of(labels);
    this.#groups = groups;
    if (closed !== undefined && this.#limits.hasPass !== true)
      throw this.#usage.refusal(closed, this.#ports.clock.nowMs());
    if (closed !== undefined) this.#usedPass = true;
    return isSampled(share, this.#ports.random);
  }

  async reading(): Promise<Reading> {
    const { maxSeries, tenantShards } = this.#limits;
    const admitted = maxSeries === 0 ? this.#accepted : await this.#activeOnly(maxSeries);
    const window = duplicateWindowMs(this.#limits.rejectOlderThanMs, this.#limits.rejectNewerThanMs);
    const { records, problem } = this.#ports.placer.place(this.#tenant, admitted, window, tenantShards);
    const first = this.#problem ?? problem;
    // What rules moved shares its payload with the rest.
    const payloads = [...new Set(admitted.map(({ payload }) => payload))];
    return {
      records,
      profiles: payloads.length,
      bytes: payloads.reduce((sum, { length }) => sum + length, 0),
      ratedBytes: this.#rated,
      groups: this.#groupBytes,
      usedPass: this.#usedPass,
      discarded: this.#discarded,
      truncated: { stacks: this.#stacks, strings: this.#strings },
      problem: first === undefined ? undefined : errorAsData(first),
    };
  }

  /** Without the series that are new and do not fit below the limit: the others of their profiles are stored. */
  async #activeOnly(maxSeries: number): Promise<Accepted[]> {
    const series = this.#accepted.flatMap(({ profile: { groups, types } }) =>
      groups.map((group) => ({ group, weight: types.length, key: seriesKey(group.series, types) })),
    );
    const keys = BigUint64Array.from(series, ({ key }) => key);
    const weights = Uint32Array.from(series, ({ weight }) => weight);
    const active = await this.#ports.series.admit(this.#tenant, keys, weights, maxSeries);
    const refused = new Set(series.filter((_, i) => active[i] === 0).map(({ group }) => group));
    if (refused.size === 0) return this.#accepted;
    this.#problem ??= tooManySeries(maxSeries);
    return this.#accepted.flatMap((accepted) => {
      const groups = accepted.profile.groups.filter((group) => !refused.has(group));
      if (groups.length === accepted.profile.groups.length) return accepted;
      const isGone = groups.length === 0;
      this.#discarded.push({ reason: 'series_limit', bytes: isGone ? accepted.payload.length : 0, groups: [] });
      return isGone ? [] : { ...accepted, profile: { ...accepted.profile, groups } };
    });
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

/** Of a label set and the types of its values. */
function seriesKey(labels: LabelSet, types: readonly ValueType[]): bigint {
  return hash64(labelSetKey(labels) + types.map(({ type, unit }) => `${type}/${unit}`).join());
}

const SERIES_RETRY_SECONDS = 60;

function tooManySeries(limit: number): KilnError {
  return new KilnError(
    'resource_exhausted',
    `the tenant has as many active series as it may, limit ${limit} (max_global_series_per_tenant, max_local_series_per_tenant): what is of new ones is not stored`,
    { reason: 'series_limit', retryAfterSeconds: SERIES_RETRY_SECONDS },
  );
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
