import { decodeRecord, RecordBuilder, writeSegment, type DatasetTables } from '@kiln/block';
import { decodePprof, normalizePprof } from '@kiln/formats';
import { parseLogId, type TenantId } from '@kiln/model';
import { Head } from '../../services/ingester/src/head/head.ts';
import { SampleSorter } from '@kiln/block';
import { nodeCodecs } from '../../services/ingester/src/worker/node-codecs.ts';
import { profileLimits } from './profile-limits.ts';

const NOW = 1_800_000_000_000;

/** A log record of one profile, as the distributor makes it. */
export function makeRecord(tenant: TenantId, pprof: Uint8Array): Uint8Array {
  const labels = [
    { name: '__name__', value: 'process_cpu' },
    { name: 'service_name', value: 'shop' },
  ];
  const { profile } = normalizePprof(decodePprof(pprof), { labels, limits: profileLimits, receivedMs: NOW });
  const record = new RecordBuilder({ tenant, receivedMs: NOW, windowMs: 60_000 });
  record.add(profile!, new Uint8Array(16).fill(7));
  return record.finish(nodeCodecs);
}

/** A level-0 object of one profile per tenant, as a cut makes it. */
export function segmentOf(log: string, profiles: readonly (readonly [TenantId, Uint8Array])[]): Uint8Array {
  const tenants = profiles.map(([tenant, pprof]) => ({ tenant, datasets: tablesOf(tenant, pprof) }));
  const none = { length: 0, id: new Uint8Array(0), appendMs: new Float64Array(0), windowMs: new Float64Array(0) };
  const content = { logId: parseLogId(log), start: -1, end: 0, blockId: new Uint8Array(16), tenants, ids: none };
  return writeSegment(content, nodeCodecs).bytes;
}

function tablesOf(tenant: TenantId, pprof: Uint8Array): DatasetTables[] {
  const head = new Head({ codecs: nodeCodecs, sorter: new SampleSorter(), seed: 1 });
  const record = decodeRecord(makeRecord(tenant, pprof), nodeCodecs);
  head.append(
    record,
    record.datasets.map(({ profiles }) => new Uint8Array(profiles.length).fill(1)),
    0,
  );
  return [...head.tables(tenant)];
}
