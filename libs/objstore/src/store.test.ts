import { seededRandom } from '@kiln/async';
import { MemoryDisk, realDisk } from '@kiln/disk';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll } from 'vitest';
import { storeContract } from './contract.ts';
import { openDirectoryStore } from './directory-store.ts';
import { memoryStore } from './memory-store.ts';

let folder = '';
let stores = 0;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'kiln-objstore-'));
});
afterAll(() => rm(folder, { recursive: true }));

storeContract('memory', async () => memoryStore());
storeContract('directory on the power-loss double', () =>
  openDirectoryStore({ disk: new MemoryDisk({ random: seededRandom(1) }), root: '/data/objects' }),
);
storeContract('directory on this disk', () =>
  openDirectoryStore({ disk: realDisk(), root: join(folder, String(stores++), 'objects') }),
);
