import { mkdtemp, readdir, readFile, rm, unlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { run, Running } from '../test-terminal.test-support.ts';

const target = 'process_cpu:cpu:nanoseconds:cpu:nanoseconds{}';
let folder: string;
const dataDir = (): string => join(folder, 'data');

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'kiln-storage-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

async function start(...flags: string[]): Promise<{ kiln: Running; url: string }> {
  const threads = ['--ingester.workers=0', '--querier.threads=0', '--distributor.threads=0', '--compactor.threads=0'];
  const kiln = new Running(['start', '--port=0', '--data-dir', dataDir(), ...threads, '--log.level=error', ...flags]);
  const [, url] = await kiln.printed(/ready on (\S+)\n[^]*Ctrl-C/);
  return { kiln, url: url! };
}

const asked = async (url: string): Promise<{ code: number; out: string; err: string }> =>
  run('query', 'profile', target, '--output=collapsed', '--url', url);

/** A server with one block of two profiles, and what it answers. */
async function compacted(): Promise<{ kiln: Running; url: string; before: string; block: string }> {
  const first = await start();
  for (let i = 0; i < 2; i++) expect((await run('push', '--example', '--url', first.url)).code).toBe(0);
  await first.kiln.stop();
  const { kiln, url } = await start('--compactor.interval=1h');
  const before = (await asked(url)).out;
  expect((await run('compact', '--now', '--url', url)).out).toMatch(/^1 jobs made 1 blocks; 0 objects/);
  const [object] = await readdir(join(dataDir(), 'objects/tenants/anonymous/b'));
  return { kiln, url, before, block: join(dataDir(), 'objects/tenants/anonymous/b', object!) };
}

test('what was compacted is answered as before, listed by tenant, and verified', async () => {
  const { kiln, url, before } = await compacted();
  expect((await asked(url)).out).toBe(before);
  expect(before).toContain('score 4280000000\n');
  expect((await run('tenants', '--data-dir', dataDir())).out).toMatch(/\nanonymous +\d+ +1 +2 +1 +20\S+ +20\S+\n$/);
  expect((await run('block', 'list', '--data-dir', dataDir())).out).toMatch(
    /\nanonymous +1 +2 +\d+ .*tenants\/anonymous\/b\//,
  );
  const verified = await run('verify', '--data-dir', dataDir());
  expect(verified.out).toMatch(/\d+ objects of \d+ bytes and 2 records of the logs checked: all is well\n$/);
  expect(verified.code).toBe(0);
  expect((await run('compact', '--now', '--url', url)).out).toMatch(/^0 jobs made 0 blocks/);
  await kiln.stop();
});

test('a damaged block is named by verify, and an answer that needs it says what it lacks', async () => {
  const { kiln, url, block } = await compacted();
  const bytes = await readFile(block);
  bytes[Math.floor(bytes.length / 2)]! ^= 1;
  await writeFile(block, bytes);
  const verified = await run('verify', '--data-dir', dataDir());
  expect(verified.code).toBe(1);
  expect(verified.out).toMatch(/tenants\/anonymous\/b\/\S+: .*checksum[^]*put it back from a backup[^]*1 problems\n/);
  expect((await asked(url)).err).toMatch(/tenants\/anonymous\/b\//);
  await kiln.stop();
});

test('a block that is gone is named by verify, and an answer that needs it says so', async () => {
  const { kiln, url, block } = await compacted();
  await unlink(block);
  const verified = await run('verify', '--data-dir', dataDir());
  expect(verified.code).toBe(1);
  expect(verified.out).toMatch(/tenants\/anonymous\/b\/\S+: is missing, and is named/);
  expect((await asked(url)).err).toContain('is gone');
  await kiln.stop();
});

test('a damaged index is named by verify with what to do, and a query that needs it fails by its name', async () => {
  const { kiln, url } = await compacted();
  await writeFile(join(dataDir(), 'objects/tenants/anonymous/index'), 'x');
  const verified = await run('verify', '--data-dir', dataDir());
  expect(verified.code).toBe(1);
  expect(verified.out).toMatch(/tenants\/anonymous\/index[^]*backup/);
  const answer = await asked(url);
  expect(answer.code).toBe(1);
  expect(answer.err).toContain('tenants/anonymous/index');
  await kiln.stop();
});

test('compact without --now, and words that verify and tenants do not take, are refused with a sentence', async () => {
  expect(await run('compact')).toMatchObject({ code: 2, err: expect.stringContaining('--now') });
  expect(await run('verify', 'x')).toMatchObject({ code: 2 });
  expect(await run('tenants', 'x')).toMatchObject({ code: 2 });
  expect(await run('compact', '--now', '--url', 'http://127.0.0.1:9')).toMatchObject({
    code: 1,
    err: expect.stringContaining('is Kiln running there'),
  });
});
