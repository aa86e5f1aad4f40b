import type { Clock, Random } from '@kiln/async';
import type { ColumnArena } from '@kiln/bytes';
import { duplicateWindowMs } from '@kiln/catalog';
import {
  normalizePprof,
  stripPprof,
  YEAR_1971_NANOS,
  type IngestedPprof,
  type Pprof,
  type PprofReader,
  type Relabeling,
} from '@kiln/formats';
import { hash64, KilnError, labelSetKey, type Label, type LabelSet, type TenantId, type ValueType } from '@kiln/model';
import { errorAsData, type ErrorAsData } from '@kiln/threads';
import type { SeriesGate } from './active-series.ts';
import { gunzipSized, isGzip } from './body.ts';
import { pushedLabels, type Accepted, type Placer } from './placer.ts';
import type { Discarded, Reading, WriteLimits } from './reading.ts';
import type { Rules } from './rules.ts';
import { markProfile } from './mark-profile.ts';
import { isSampled, type Usage, type UsageRules } from './usage.ts';

/** What profiles need on their way to records. */
export interface BatchPorts {
  readonly placer: Placer;
  readonly series: SeriesGate;
  /** Decides which profiles of a share are kept. */
  readonly random: Random;
  readonly clock: Clock;
}

/** What a route's own rules make of a decoded profile: possibly mended, with its labels. */
export type Describe = (pprof: Pprof) => IngestedPprof;

/** Tables and columns that serve one request after the other: each becomes records before the next begins. */
export interface Scratch {
  readonly pprof: PprofReader;
  /** The symbol tables of one request's profiles. */
  readonly symbols: ColumnArena;
  readonly rules: Rules;
}

/** The profiles of one request on their way to records. */
export class Batch {
  readonly #ports: BatchPorts;
  readonly #scratch: Scratch;
  readonly #tenant: TenantId;
  readonly #limits: WriteLimits;
  readonly #relabeling: Relabeling;
  readonly #accepted: Accepted[] = [];
  readonly #usage: UsageRules;
  readonly #discarded: Discarded[] = [];
  readonly #groupBytes = new Map<string, number>();
  #problem: ErrorAsData | undefined;
  #remark: ErrorAsData | undefined;
  #bytes = 0;
  #rated = 0;
  #usedPass = false;
  /** Of the profile that is being added, as far as they are known. */
  #groups: readonly string[] = [];
  #stacks = 0;
  #strings = 0;

  constructor(ports: BatchPorts, scratch: Scratch, tenant: TenantId, limits: WriteLimits) {
    this.#ports = ports;
    this.#scratch = scratch;
    scratch.symbols.clear();
    this.#tenant = tenant;
    this.#limits = limits;
    this.#relabeling = scratch.rules.relabeling(limits);
    this.#usage = scratch.rules.usage(limits);
  }

  /** @param service that the client says the profile is of, for who looks why it was refused. */
  add(raw: Uint8Array, clientId: string, service: string, describe: Describe): void {
    this.#groups = [];
    try {
      this.#addOrThrow(raw, clientId, service, describe);
    } catch (thrown) {
      const error = KilnError.from(thrown);
      // A fault: nothing of the push is stored, so that sending it again counts nothing twice.
      if (error.code === 'internal') throw error;
      this.#discard(error.reason ?? 'unknown', raw.length);
      this.#problem ??= { ...errorAsData(error), about: service };
    }
  }

  /** The body was empty: answered with success, because clients send that. */
  addNothing(service: string): void {
    this.#discard('empty_body', 0);
    this.#remark = { ...errorAsData(emptyBody()), about: service };
  }

  #discard(reason: string, bytes: number): void {
    this.#discarded.push({ reason, bytes, groups: this.#groups });
  }

  #addOrThrow(raw: Uint8Array, clientId: string, service: string, describe: Describe): void {
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
    const usage = this.#admit(labels);
    const isKept = isSampled(usage.share, this.#ports.random);
    if (!isKept && !this.#limits.keepStripped) {
      this.#rated += payload.length;
      this.#discard('dropped_by_sampling_rules', raw.length);
      return;
    }
    const ownTimeNanos = decoded.timeNanos >= YEAR_1971_NANOS ? decoded.timeNanos : 0n;
    const receivedMs = this.#ports.clock.nowMs();
    const relabeling = this.#relabeling;
    const request = { labels, names, limits: this.#limits, relabeling, receivedMs, arena };
    const normalized = normalizePprof(isKept ? pprof : stripPprof(pprof), request);
    this.#stacks += normalized.truncatedStacks;
    this.#strings += normalized.truncatedStrings;
    this.#rated += payload.length;
    const stored = normalized.profile === undefined ? [] : [normalized.profile, ...normalized.moved];
    // Of a profile that is stored in part the bytes are not lost.
    const lost = stored.length === 0 ? raw.length : 0;
    const { negative } = normalized.droppedSamples;
    if (negative > 0) this.#discard('negative_values', lost);
    if (negative > 0 && stored.length === 0) this.#remark ??= { ...errorAsData(allNegative(negative)), about: service };
    if (normalized.droppedSamples.relabelled > 0) this.#discard('dropped_by_relabel_rules', lost);
    else if (!isKept) this.#discard('dropped_by_sampling_rules', lost);
    if (stored.length === 0) return;
    if (isKept)
      for (const group of this.#groups)
        this.#groupBytes.set(group, (this.#groupBytes.get(group) ?? 0) + payload.length);
    const annotations = this.#usage.annotations(usage, this.#limits.hasPass === true);
    const mark = { isStripped: !isKept, annotations };
    const pushed = { labels: pushedLabels(labels), ownTimeNanos, payload, clientId };
    for (const [i, profile] of stored.entries())
      this.#accepted.push({ profile: markProfile(profile, mark), isMoved: i > 0, ...pushed });
  }

  /** What its labels say of a profile before it is looked into. @throws KilnError `resource_exhausted` when the quota of its group is reached. */
  #admit(labels: readonly Label[]): Usage {
    const usage = this.#usage.of(labels);
    const { closed } = usage;
    this.#groups = usage.groups;
    if (closed !== undefined && this.#limits.hasPass !== true)
      throw this.#usage.refusal(closed, this.#ports.clock.nowMs());
    if (closed !== undefined) this.#usedPass = true;
    return usage;
  }

  async reading(): Promise<Reading> {
    const { maxSeries, tenantShards } = this.#limits;
    const admitted = maxSeries === 0 ? this.#accepted : await this.#activeOnly(maxSeries);
    const window = duplicateWindowMs(this.#limits.rejectOlderThanMs, this.#limits.rejectNewerThanMs);
    const { records, problem } = this.#ports.placer.place(this.#tenant, admitted, window, tenantShards);
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
      remark: this.#remark,
      truncated: { stacks: this.#stacks, strings: this.#strings },
      problem: this.#problem ?? (problem === undefined ? undefined : errorAsData(problem)),
    };
  }

  /**
   * Without the profiles that have a series which is new and does not fit below the limit. None is stored in part: its rows share an id, so the rest would
   * be dropped as a copy when the client sends it again.
   */
  async #activeOnly(maxSeries: number): Promise<Accepted[]> {
    const series = this.#accepted.flatMap(({ profile: { groups, types } }) =>
      groups.map((group) => ({ weight: types.length, key: seriesKey(group.series, types) })),
    );
    const keys = BigUint64Array.from(series, ({ key }) => key);
    const weights = Uint32Array.from(series, ({ weight }) => weight);
    let end = 0;
    const ends = Uint32Array.from(this.#accepted, ({ profile }) => (end += profile.groups.length));
    const admitted = await this.#ports.series.admit(this.#tenant, { keys, weights, ends }, maxSeries);
    if (!admitted.includes(0)) return this.#accepted;
    this.#problem ??= errorAsData(tooManySeries(maxSeries));
    return this.#accepted.filter(({ payload }, i) => {
      if (admitted[i] !== 0) return true;
      this.#discarded.push({ reason: 'series_limit', bytes: payload.length, groups: [] });
      return false;
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

/** Of a label set and the types of its values. */
function seriesKey(labels: LabelSet, types: readonly ValueType[]): bigint {
  return hash64(labelSetKey(labels) + types.map(({ type, unit }) => `${type}/${unit}`).join());
}

function emptyBody(): KilnError {
  return new KilnError(
    'invalid_argument',
    'nothing is stored, though the push was answered with success: its body, or the part "profile" of it, is empty; send a pprof',
    { reason: 'empty_body' },
  );
}

function allNegative(samples: number): KilnError {
  return new KilnError(
    'invalid_argument',
    `nothing of the profile is stored, though its push was answered with success: values may not be negative, and ${samples} of its samples have one that is; no other sample has a value`,
    { reason: 'negative_values' },
  );
}

const SERIES_RETRY_SECONDS = 60;

function tooManySeries(limit: number): KilnError {
  return new KilnError(
    'resource_exhausted',
    `the tenant has as many active series as it may, limit ${limit} (max_global_series_per_tenant, max_local_series_per_tenant): a profile that has a new one is not stored`,
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
