import { Mutex } from '@kiln/async';
import { ColumnArena } from '@kiln/bytes';
import { describeIngest, PprofReader, TIME_FORMS, YEAR_1971_NANOS, type IngestSource } from '@kiln/formats';
import { KilnError, type Code, type TenantId } from '@kiln/model';
import type { Body } from '@kiln/rpc';
import { errorAsData } from '@kiln/threads';
import { Batch, type BatchPorts, type Scratch } from './batch.ts';
import { inflateBody } from './body.ts';
import { readIngestRequest, type IngestProfile } from './ingest-request.ts';
import { readPushRequest, readPushRequestJson, type PushedSeries } from './push-request.ts';
import type { Reading, WriteLimits } from './reading.ts';
import { Rules } from './rules.ts';

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

/**
 * Reads requests of the write paths: decompresses, decodes and normalises their profiles within the tenant's limits, and makes records of the good
 * ones. All that takes time; holds nothing but scratch space, so it may live in any thread. One bad profile harms no other.
 */
export class ProfileReader {
  readonly #ports: BatchPorts;
  /** One request at a time: while the gate of series is asked the scratch space is in use. */
  readonly #turn = new Mutex();
  readonly #scratch: Scratch = { pprof: new PprofReader(), symbols: new ColumnArena(), rules: new Rules() };

  constructor(ports: BatchPorts) {
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
    for (const { labels, samples } of series) {
      const service = labels.find(({ name }) => name === 'service_name')?.value ?? '';
      for (const { profile, id } of samples)
        batch.add(profile, id, service, (pprof) => ({ pprof, labels, names: 'as sent' }));
    }
    return batch.reading();
  }

  /**
   * The profile of an `/ingest` request. An empty body is no error, nor is what clients send that means nothing: its tenant is told. What is wrong with
   * the profile has status 422 here (contract/pyroscope.md §3.2).
   */
  async ingest(
    tenant: TenantId,
    source: IngestSource,
    body: IngestProfile | undefined,
    limits: WriteLimits,
  ): Promise<Reading> {
    const batch = new Batch(this.#ports, this.#scratch, tenant, limits);
    let hasOwnTime = true;
    if (body === undefined) batch.addNothing(source.app);
    else
      batch.add(body.profile, '', source.app, (pprof) => {
        hasOwnTime = pprof.timeNanos >= YEAR_1971_NANOS;
        return describeIngest(pprof, source, body.sampleTypes);
      });
    let reading = await batch.reading();
    const odd = reading.profiles === 0 ? undefined : oddSource(source, hasOwnTime);
    if (odd !== undefined) reading = { ...reading, remark: { ...errorAsData(odd), about: source.app } };
    if (reading.problem === undefined || ownStatus.has(reading.problem.code)) return reading;
    return { ...reading, problem: { ...reading.problem, httpStatus: 422 } };
  }
}

const utf8 = new TextDecoder('utf-8', { fatal: true });

/** Of JSON. Not mended: labels that differ in bytes which are no UTF-8 would become one. */
function textOf(body: Uint8Array): string {
  try {
    return utf8.decode(body);
  } catch (error) {
    throw new KilnError('invalid_argument', 'push request is not JSON of push.v1.PushRequest: it is not UTF-8', {
      cause: error,
      reason: 'malformed_profile',
    });
  }
}

/** On `/ingest` every other problem of the profile itself is 422. */
const ownStatus = new Set<Code>(['resource_exhausted', 'unavailable', 'internal', 'canceled']);

/** What the query of a profile that was stored says and means nothing, as Pyroscope passes over it. Undefined for nothing. */
function oddSource({ passedOver, unreadFrom, fromNanos }: IngestSource, hasOwnTime: boolean): KilnError | undefined {
  const odd = [];
  if (passedOver !== '')
    odd.push(
      `without ${JSON.stringify(passedOver.slice(0, 80))} of the parameter name: want name=app{key=value}, and no comma in a value`,
    );
  if (unreadFrom !== undefined && !hasOwnTime)
    odd.push(
      `at ${new Date(Number(fromNanos / 1_000_000n)).toISOString()}, because it has no time of its own and from is ${JSON.stringify(unreadFrom.slice(0, 80))}: want ${TIME_FORMS}`,
    );
  return odd.length === 0
    ? undefined
    : new KilnError('invalid_argument', `the profile is stored ${odd.join('; and ')}`);
}
