import type { Clock } from '@kiln/async';
import { RecordBuilder, type Codecs, type Compression } from '@kiln/block';
import { placePartition } from '@kiln/catalog';
import {
  KilnError,
  fingerprint,
  labelSet,
  type Label,
  type LabelSet,
  type LogId,
  type Profile,
  type TenantId,
} from '@kiln/model';
import type { OpenLog } from '@kiln/partition-log';
import { profileId } from './profile-id.ts';

/** A profile that passed every check, ready to be placed. */
export interface Accepted {
  readonly profile: Profile;
  /** As pushed, sorted, before relabelling: what a retry sends again. */
  readonly labels: LabelSet;
  /** Start as the payload carries it; 0 when it carries none. */
  readonly ownTimeNanos: bigint;
  readonly payload: Uint8Array;
  readonly clientId: string;
}

/** Where one record of a push went: with the log's name, the write token of the answer. */
export interface Written {
  readonly log: LogId;
  readonly offset: number;
}

export interface DistributorPorts {
  /** One open log per partition, by partition number. */
  readonly logs: readonly OpenLog[];
  readonly codecs: Codecs;
  /** Of the records. */
  readonly compression: Compression;
  readonly clock: Clock;
}

/** Largest record, bytes before compression: a push is split between profiles (design: distributed.md §1.6 Record). */
const MAX_RECORD_BYTES = 8 * 1024 * 1024;

/**
 * Identifies profiles, places them by tenant and series, and appends one record per partition. Knows no protocol and no format.
 * A push resolves only when all its records are durable.
 */
export class Distributor {
  readonly #ports: DistributorPorts;

  constructor(ports: DistributorPorts) {
    this.#ports = ports;
  }

  /**
   * Stores profiles of one tenant.
   * @param windowMs the tenant's duplicate window, written into the records.
   * @throws KilnError `unavailable` when a record could not be made durable: the client may send again, copies are dropped by id;
   * `invalid_argument` for a profile that no record can hold. The others are stored.
   */
  async store(tenant: TenantId, profiles: readonly Accepted[], windowMs: number): Promise<Written[]> {
    const drafts = this.#place(tenant, profiles, windowMs);
    const outcomes = await Promise.allSettled(drafts.map((draft) => this.#append(draft)));
    const written: Written[] = [];
    for (const outcome of outcomes) {
      if (outcome.status === 'rejected') throw KilnError.from(outcome.reason);
      written.push(outcome.value);
    }
    return written;
  }

  #place(tenant: TenantId, profiles: readonly Accepted[], windowMs: number): Draft[] {
    const { logs, clock } = this.#ports;
    const open = new Map<number, RecordBuilder>();
    const drafts: Draft[] = [];
    const receivedMs = clock.nowMs();
    for (const accepted of profiles) {
      const { profile, labels, payload } = accepted;
      const partition = placePartition({
        partitions: logs.length,
        tenant,
        service: profile.service,
        fingerprint: fingerprint(labels),
      });
      // A profile that may be too large for a record gets one of its own, so that only it is refused.
      const alone = payload.length >= MAX_RECORD_BYTES;
      const record = (alone ? undefined : open.get(partition)) ?? new RecordBuilder({ tenant, receivedMs, windowMs });
      record.add(profile, idOf(tenant, accepted));
      const isFull = alone || record.byteLength >= MAX_RECORD_BYTES;
      if (isFull) drafts.push({ log: logs[partition]!, record });
      if (isFull && !alone) open.delete(partition);
      if (!isFull) open.set(partition, record);
    }
    for (const [partition, record] of open) drafts.push({ log: logs[partition]!, record });
    return drafts;
  }

  async #append({ log, record }: Draft): Promise<Written> {
    const { codecs, compression } = this.#ports;
    const { offset } = await log.append(record.finish(codecs, compression));
    return { log: log.id, offset };
  }
}

/** A record and the log it goes to. */
interface Draft {
  readonly log: OpenLog;
  readonly record: RecordBuilder;
}

function idOf(tenant: TenantId, { profile, labels, ownTimeNanos, payload, clientId }: Accepted): Uint8Array {
  const { types, durationNanos } = profile;
  return profileId({ tenant, labels, types, timeNanos: ownTimeNanos, durationNanos, payload, clientId });
}

/** Labels as pushed, sorted; copies stay, because a retry sends them again. */
export function pushedLabels(labels: readonly Label[]): LabelSet {
  return labelSet(labels);
}
