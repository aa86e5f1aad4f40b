import { gunzipSync } from 'node:zlib';
import { decodeRecord, RecordBuilder, writeSegment, type LogRecord } from '@kiln/block';
import { normalizePprof, PprofReader } from '@kiln/formats';
import { makeLogId, parseTenantId, type Label, type Profile, type TenantId } from '@kiln/model';
import { gunzipSized } from '../../services/distributor/src/body.ts';
import { Head } from '../../services/ingester/src/head/head.ts';
import { SampleSorter } from '../../services/ingester/src/head/sample-sorter.ts';
import { nodeCodecs } from '../../services/ingester/src/worker/node-codecs.ts';
import { profileLimits } from '../support/profile-limits.ts';

/** A profile as it is pushed. */
export interface Push {
  readonly gzip: Uint8Array;
  readonly labels: readonly Label[];
}

export const tenant: TenantId = parseTenantId('bench');
const NOW = 1_800_000_000_000;
const reader = new PprofReader();

/** The distributor's part: gunzip, decode, normalise. */
export function parse({ gzip, labels }: Push): Profile | undefined {
  const raw = gzip[0] === 0x1f ? gunzipSized(gzip, 1 << 30) : gzip;
  return normalizePprof(reader.read(raw), { labels, limits: profileLimits, receivedMs: NOW }).profile;
}

/** One record a profile, as pushes of one profile make them. */
export function toRecord(profile: Profile, n: number): Uint8Array {
  const record = new RecordBuilder({ tenant, receivedMs: NOW, windowMs: 60_000 });
  const id = new Uint8Array(16);
  new DataView(id.buffer).setUint32(0, n, true);
  record.add(profile, id);
  return record.finish(nodeCodecs);
}

export function newHead(): Head {
  return new Head({ codecs: nodeCodecs, sorter: new SampleSorter(), seed: 7 });
}

/** The ingester's part: decode the record, add its rows. */
export function append(head: Head, record: Uint8Array, offset: number): void {
  const decoded: LogRecord = decodeRecord(record, nodeCodecs);
  const kept = decoded.datasets.map(({ profiles }) => new Uint8Array(profiles.length).fill(1));
  head.append(decoded, kept, offset);
}

/** The object that a cut of the head makes. */
export function seal(head: Head): Uint8Array {
  const none = { length: 0, id: new Uint8Array(0), appendMs: new Float64Array(0), windowMs: new Float64Array(0) };
  const logId = makeLogId('0123456789abcdef', 0);
  const tenants = [{ tenant, datasets: head.tables(tenant) }];
  return writeSegment({ logId, start: -1, end: 0, blockId: new Uint8Array(16), tenants, ids: none }, nodeCodecs).bytes;
}

/** G: what everything is measured against. */
export function gunzipAll(pushes: readonly Push[]): void {
  for (const { gzip } of pushes) if (gzip[0] === 0x1f) gunzipSync(gzip);
}

/** From pushed bytes to the head. */
export function ingestAll(pushes: readonly Push[]): Head {
  const head = newHead();
  for (const [i, push] of pushes.entries()) {
    const profile = parse(push);
    if (profile !== undefined) append(head, toRecord(profile, i), i);
  }
  return head;
}
