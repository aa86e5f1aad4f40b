import { gunzipSync } from 'node:zlib';
import { ColumnArena } from '@kiln/bytes';
import {
  decodeRecord,
  mergeDatasets,
  RecordBuilder,
  RecordReader,
  writeBlock,
  writeSegment,
  type RecordDataset,
} from '@kiln/block';
import { normalizePprof, PprofReader } from '@kiln/formats';
import { makeLogId, parseTenantId, type Label, type Profile, type TenantId } from '@kiln/model';
import { gunzipSized } from '../../services/distributor/src/body.ts';
import { Head } from '../../services/ingester/src/head/head.ts';
import { SampleSorter } from '@kiln/block';
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
const records = new RecordReader(nodeCodecs);
/** Of a profile that becomes a record before the next is read. */
export const symbols: ColumnArena = new ColumnArena();

/** The distributor's part: gunzip, decode, normalise. @param arena for the symbols, as `ProfileReader` has one; else they are kept. */
export function parse({ gzip, labels }: Push, arena?: ColumnArena): Profile | undefined {
  const raw = gzip[0] === 0x1f ? gunzipSized(gzip, 1 << 30) : gzip;
  arena?.clear();
  const request = { labels, limits: profileLimits, receivedMs: NOW, ...(arena === undefined ? {} : { arena }) };
  return normalizePprof(reader.read(raw), request).profile;
}

/** One record a profile, as pushes of one profile make them. */
export function toRecord(profile: Profile, n: number): Uint8Array {
  const record = new RecordBuilder({ tenant, receivedMs: NOW, windowMs: 60_000 });
  const id = new Uint8Array(16);
  new DataView(id.buffer).setUint32(0, n, true);
  record.add(profile, id);
  return record.finish(nodeCodecs, 'none'); // as `kiln start` does by default
}

export function newHead(): Head {
  return new Head({ codecs: nodeCodecs, sorter: new SampleSorter(), seed: 7 });
}

/** The ingester's part: decode the record, add its rows. */
export function append(head: Head, record: Uint8Array, offset: number): void {
  const decoded = records.read(record);
  const kept = decoded.datasets.map(({ profiles }) => new Uint8Array(profiles.length).fill(1));
  head.append(decoded, kept, offset);
}

/** A head as it stands after an hour. */
export interface HourHead {
  readonly head: Head;
  readonly profiles: number;
  /** Samples (profile x stack), of all. */
  readonly samples: number;
  /** What a further profile and stack took when all symbols were known, bytes. */
  readonly bytesPerSample: number;
}

/** One hour of a profile each 15 s: the profiles of its first intervals come again and again, moved in time. */
export function headOfAnHour(pushes: readonly Push[]): HourHead {
  const decoded = pushes.map((push, i) => decodeRecord(toRecord(parse(push)!, i), nodeCodecs));
  const perRound = pushes.reduce((sum, push) => sum + samplesOf(parse(push)!), 0);
  const head = newHead();
  let first = 0;
  const repeats = 20;
  for (let r = 0; r < repeats; r++) {
    for (const [i, record] of decoded.entries()) {
      const datasets = record.datasets.map((dataset) => moved(dataset, (r * 3_600_000) / repeats));
      head.append({ ...record, datasets }, [Uint8Array.of(1)], r * decoded.length + i);
    }
    if (r === 0) first = head.byteLength;
  }
  const further = perRound * (repeats - 1);
  return {
    head,
    profiles: decoded.length * repeats,
    samples: perRound * repeats,
    bytesPerSample: (head.byteLength - first) / further,
  };
}

function moved(dataset: RecordDataset, byMs: number): RecordDataset {
  const { profiles } = dataset;
  return { ...dataset, profiles: { ...profiles, timeMs: profiles.timeMs.map((ms) => ms + byMs) } };
}

/** Samples (profile x stack) of a profile. */
export function samplesOf({ groups }: Profile): number {
  return groups.reduce((sum, { length }) => sum + length, 0);
}

/** The object that a cut of the head makes. */
export function seal(head: Head): Uint8Array {
  const none = { length: 0, id: new Uint8Array(0), appendMs: new Float64Array(0), windowMs: new Float64Array(0) };
  const logId = makeLogId('0123456789abcdef', 0);
  const tenants = [{ tenant, datasets: head.tables(tenant) }];
  return writeSegment({ logId, start: -1, end: 0, blockId: new Uint8Array(16), tenants, ids: none }, nodeCodecs).bytes;
}

/** The block of an hour that a merge makes of the head. */
export function blockOf(head: Head): Uint8Array {
  const datasets = [...head.tables(tenant)].flatMap((tables) => [
    ...mergeDatasets([tables], () => 0, 7, nodeCodecs).windows.values(),
  ]);
  return writeBlock({ level: 1, blockId: new Uint8Array(16), tenant, datasets }, nodeCodecs).bytes;
}

/** G: what everything is measured against. */
export function gunzipAll(pushes: readonly Push[]): void {
  for (const { gzip } of pushes) if (gzip[0] === 0x1f) gunzipSync(gzip);
}

/** From pushed bytes to the head. */
export function ingestAll(pushes: readonly Push[]): Head {
  const head = newHead();
  for (const [i, push] of pushes.entries()) {
    const profile = parse(push, symbols);
    if (profile !== undefined) append(head, toRecord(profile, i), i);
  }
  return head;
}
