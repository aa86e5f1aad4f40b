import { gunzipSync } from 'node:zlib';
import { beforeAll, describe, expect, test } from 'vitest';
import { ManualClock, seededRandom } from '@kiln/async';
import { decodeRecord, PageRows, RecordBuilder } from '@kiln/block';
import { MemoryDisk } from '@kiln/disk';
import { decodePprof, normalizePprof } from '@kiln/formats';
import { nodeCodecs } from '../../services/ingester/src/worker/node-codecs.ts';
import { exactToBigInt, parseTenantId } from '@kiln/model';
import { openFileLog, type OpenLog } from '@kiln/partition-log';
import { corpus } from '../support/corpus.ts';
import { profileLimits } from '../support/profile-limits.ts';

const NOW = 1_800_000_000_000;
const RECORDS = 24;
const ROOT = '/data/log';
const SEGMENT = `${ROOT}/0/0000000000000000.log`;

/** The log as a process finds it: one segment of 24 real records, of two tenants, each acknowledged on its own. */
let files: Map<string, Uint8Array>;
/** Bytes of the segment after each acknowledgement. */
const ends: number[] = [];
/** Each record's bytes, and what it comes to: tenant, profile id and the sum of all its values. */
const records: Uint8Array[] = [];
const sums: string[] = [];

async function open(disk: MemoryDisk): Promise<{ log: OpenLog; close: () => Promise<void> }> {
  const log = await openFileLog({
    disk,
    root: ROOT,
    partitions: 1,
    clock: new ManualClock(NOW),
    crc32: (bytes, seed) => nodeCodecs.crc32(bytes, seed),
    random: seededRandom(7),
  });
  return { log: await log.open(0), close: async () => log[Symbol.asyncDispose]() };
}

async function diskWith(content: ReadonlyMap<string, Uint8Array>): Promise<MemoryDisk> {
  const disk = new MemoryDisk();
  await disk.mkdir(`${ROOT}/0`);
  for (const [path, bytes] of content) {
    const file = await disk.open(path, 'create');
    await file.write(bytes, 0);
    await file.sync();
    await file.close();
  }
  for (const folder of ['/', '/data', ROOT, `${ROOT}/0`]) await disk.syncDir(folder);
  return disk;
}

/** Tenant, profile id and every value of a record, page by page: what queries would sum. Equal bytes come to the same, so those are summed once. */
function sumOf(bytes: Uint8Array): string {
  const known = records.findIndex((record) => Buffer.compare(record, bytes) === 0);
  if (known >= 0) return sums[known]!;
  const { tenant, datasets } = decodeRecord(bytes, nodeCodecs);
  let sum = 0n;
  for (const { page, types } of datasets) {
    const rows = new PageRows(page, types.length);
    while (rows.next()) {
      for (const { lo, hi } of rows.values)
        for (let i = 0; i < rows.length; i++) sum += exactToBigInt(lo[i]!, hi?.[i] ?? 0);
    }
  }
  return `${tenant} ${Buffer.from(datasets[0]!.profiles.id).toString('hex')} ${sum}`;
}

async function readSums(disk: MemoryDisk): Promise<string[]> {
  const { log, close } = await open(disk);
  const found: string[] = [];
  const end = await log.endOffset();
  const abort = new AbortController();
  if (end >= 0) {
    for await (const batch of log.read(0, abort.signal)) {
      for (const { record } of batch) found.push(sumOf(record!));
      if (found.length > end) abort.abort();
    }
  }
  await close();
  return found;
}

beforeAll(async () => {
  const disk = new MemoryDisk();
  const { log, close } = await open(disk);
  let n = 0;
  for (const { labels, gzip } of corpus({
    seed: 'torn',
    services: 3,
    pods: 4,
    intervals: 2,
    stacks: 60,
    draws: 120,
    startMs: NOW,
  })) {
    const pushed = labels.map(([name, value]) => ({ name, value }));
    const request = { labels: pushed, limits: profileLimits, receivedMs: NOW };
    const { profile } = normalizePprof(decodePprof(gunzipSync(gzip)), request);
    const record = new RecordBuilder({ tenant: parseTenantId(n % 2 === 0 ? 'a' : 'b'), receivedMs: NOW, windowMs: 1 });
    record.add(profile!, new Uint8Array(16).fill(n + 1));
    const bytes = record.finish(nodeCodecs);
    await log.append(bytes);
    sums.push(sumOf(bytes));
    records.push(bytes);
    ends.push((await disk.readFile(SEGMENT)).length);
    if (++n === RECORDS) break;
  }
  await close();
  const paths = [`${ROOT}/id`, `${ROOT}/version`, SEGMENT];
  files = new Map(await Promise.all(paths.map(async (path) => [path, await disk.readFile(path)] as const)));
});

describe('a last segment of real records', () => {
  test('is long enough to mean something', () => {
    expect(sums).toHaveLength(RECORDS);
    expect(ends.at(-1)).toBeGreaterThanOrEqual(20_000);
    expect(new Set(sums).size).toBe(RECORDS);
  });

  test(
    'row 8: cut at any byte holds every record before the cut, to the unit, and nothing else',
    { timeout: 300_000 },
    async () => {
      const whole = files.get(SEGMENT)!;
      for (let cut = 0; cut <= whole.length; cut++) {
        const disk = await diskWith(new Map([...files, [SEGMENT, whole.subarray(0, cut)]]));
        const found = await readSums(disk);
        const want = sums.slice(0, ends.filter((end) => end <= cut).length);
        if (found.length !== want.length || found.some((sum, i) => sum !== want[i]))
          expect({ cut, found }).toEqual({ cut, found: want });
      }
    },
  );
});
