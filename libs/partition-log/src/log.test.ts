import { seededRandom } from '@kiln/async';
import { MemoryDisk, realDisk } from '@kiln/disk';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { afterAll, beforeAll } from 'vitest';
import { logContract } from './contract.ts';
import { openFileLog } from './file-log.ts';
import { memoryLog } from './memory-log.ts';

let folder = '';
let logs = 0;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'kiln-log-'));
});
afterAll(() => rm(folder, { recursive: true }));

const random = seededRandom(1);
const settings = { partitions: 3, crc32, random, segmentBytes: 1_000, recentBytes: 0 };
logContract('memory', async (clock) => memoryLog({ partitions: 3, clock }));
logContract('files on the power-loss double', (clock) =>
  openFileLog({ ...settings, clock, disk: new MemoryDisk({ random }), root: '/data/log' }),
);
logContract('files on the power-loss double, the newest records in memory', (clock) =>
  openFileLog({ ...settings, clock, disk: new MemoryDisk({ random }), root: '/data/log', recentBytes: 1_000 }),
);
logContract('files on this disk', (clock) =>
  openFileLog({ ...settings, clock, disk: realDisk(), root: join(folder, String(logs++), 'log') }),
);
