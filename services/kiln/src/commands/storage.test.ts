import { mkdir, mkdtemp, readdir, readFile, rename, rm, unlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import { exampleProfile } from '../example-profile.ts';
import { withTimeNanos } from '../pprof-outline.ts';
import { run, Running } from '../test-terminal.test-support.ts';

const target = 'process_cpu:cpu:nanoseconds:cpu:nanoseconds{}';
// Several starts of a server each, on a machine that may be busy.
vi.setConfig({ testTimeout: 60_000 });

let folder: string;
// The framework takes seconds to load on a busy machine: no part of any test's time.
beforeAll(() => import('./start.ts'), 60_000);
const dataDir = (): string => join(folder, 'data');

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'kiln-storage-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const threads = ['--ingester.workers=0', '--querier.threads=0', '--distributor.threads=0', '--compactor.threads=0'];
const quiet = ['--self-profiling.enabled=false', '--log.level=error'];
const starting = (): string[] => ['start', '--port=0', '--data-dir', dataDir(), ...threads, ...quiet];

async function start(...flags: string[]): Promise<{ kiln: Running; url: string }> {
  const kiln = new Running([...starting(), ...flags]);
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
  expect((await run('compact', '--now', '--url', url)).out).toMatch(
    /^1 job made 1 block; deleted, because nobody needs them any more: 0 objects\n$/,
  );
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
  expect(await run('compact', '--now', '--url', url)).toMatchObject({
    code: 0,
    out: expect.stringMatching(/^0 jobs made 0 blocks/) as string,
    err: expect.stringMatching(
      /^note: what is younger than ingester\.cut-max-age .* may be in no object yet/,
    ) as string,
  });
  await kiln.stop();
});

test('a damaged block is named by verify, and an answer that needs it says what it lacks', async () => {
  const { kiln, url, block } = await compacted();
  const bytes = await readFile(block);
  bytes[Math.floor(bytes.length / 2)]! ^= 1;
  await writeFile(block, bytes);
  const verified = await run('verify', '--data-dir', dataDir());
  expect(verified.code).toBe(1);
  expect(verified.out).toMatch(/tenants\/anonymous\/b\/\S+: .*checksum[^]*put it back from a backup[^]*1 problem\n/);
  expect((await asked(url)).err).toMatch(/tenants\/anonymous\/b\//);
  await kiln.stop();
});

test('a block whose table of contents is damaged is named by tenants and inspect, and tenants counts the others', async () => {
  const { kiln, url, block } = await compacted();
  expect((await run('push', '--example', '--url', url)).code).toBe(0);
  await kiln.stop();
  const bytes = await readFile(block);
  bytes[bytes.lastIndexOf('PBKT') - 20]! ^= 1;
  await writeFile(block, bytes);
  const object = block.slice(join(dataDir(), 'objects/').length);
  expect(await run('tenants', '--data-dir', dataDir())).toMatchObject({
    code: 1,
    out: expect.stringMatching(/\nanonymous +\d+ +2 +3 +1 +20\S+ +20\S+\n$/),
    err: expect.stringMatching(
      new RegExp(
        `^series of anonymous in ${object} are not counted: corrupt section .*\\nkiln verify says what to do\\n$`,
      ),
    ),
  });
  expect(await run('block', 'inspect', object, '--data-dir', dataDir())).toMatchObject({
    code: 1,
    err: expect.stringContaining(`${object}, tenant anonymous, is damaged: corrupt section`),
  });
});

test('what a start would cut off a log, because its newest record is torn or damaged, is told by verify', async () => {
  const { kiln, url } = await start('--ingester.cut-on-stop=false');
  for (let i = 0; i < 2; i++) expect((await run('push', '--example', '--url', url)).code).toBe(0);
  await kiln.stop();
  const files = (await readdir(join(dataDir(), 'log'), { recursive: true })).filter((name) => name.endsWith('.log'));
  for (const path of files.map((name) => join(dataDir(), 'log', name))) {
    const bytes = await readFile(path);
    if (bytes.length === 0) continue;
    bytes[bytes.length - 1]! ^= 1;
    await writeFile(path, bytes);
  }
  expect((await run('verify', '--data-dir', dataDir())).out).toMatch(
    /1 record of the logs checked: all is well\nbehind the newest whole record of a log \(.*\): \d+ bytes\n$/,
  );
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

test('an index that is lost, alone or with all that is kept of its tenant, is named by verify; queries are refused, and nothing is swept', async () => {
  const { kiln, url } = await compacted();
  const objects = join(dataDir(), 'objects');
  const tenant = join(objects, 'tenants/anonymous');
  const blocks = await readdir(join(tenant, 'b'));
  await rename(join(tenant, 'index'), join(folder, 'index'));
  const verified = await run('verify', '--data-dir', dataDir());
  expect(verified.code).toBe(1);
  expect(verified.out).toMatch(
    /^the catalog: object tenants\/anonymous\/index is missing, but indexed\/anonymous, or a block, says .*\n.*refuses the queries of this tenant/,
  );
  const refused = await asked(url);
  expect(refused).toMatchObject({
    code: 1,
    err: expect.stringContaining('tenants/anonymous/index is missing') as string,
  });
  expect((await run('push', '--example', '--url', url)).code).toBe(0);
  expect((await run('compact', '--now', '--url', url)).err).toContain('tenants/anonymous/index is missing');
  expect(await readdir(join(tenant, 'b'))).toEqual(blocks);
  await rename(tenant, join(folder, 'anonymous'));
  expect((await run('verify', '--data-dir', dataDir())).out).toContain('tenants/anonymous/index is missing');
  expect((await asked(url)).code).toBe(1);
  await rename(join(folder, 'anonymous'), tenant);
  await rename(join(folder, 'index'), join(tenant, 'index'));
  expect((await asked(url)).code).toBe(0);
  expect((await run('verify', '--data-dir', dataDir())).out).toMatch(/: all is well\n$/);
  await kiln.stop();
});

test('a directory that Kiln does not start on because a part of it is lost or another is named by verify', async () => {
  const { kiln, url } = await compacted();
  expect((await run('push', '--example', '--url', url)).code).toBe(0);
  await kiln.stop();
  const lost: [string, RegExp, RegExp][] = [
    [
      'objects/log/trim',
      /log \S+: holds records up to offset \d, log\/trim is missing/,
      /object log\/trim, .* is missing/,
    ],
    ['objects/log', /log \S+: holds records up to offset \d, log\/trim is missing/, /object log\/trim, .* is missing/],
    ['objects', /log \S+: holds records up to offset \d, log\/trim is missing/, /object log\/trim, .* is missing/],
    ['objects/cluster', /the catalog: object cluster is missing/, /object cluster is missing/],
    ['log', /log \S+ of partition 0: is open, and is not in/, /already has the open log/],
  ];
  for (const [part, found, refused] of lost) {
    const path = join(dataDir(), part);
    await rename(path, join(folder, 'kept'));
    // The refused start of a log that is gone leaves a new one: also then.
    expect([part, (await run(...starting())).err]).toEqual([part, expect.stringMatching(refused)]);
    const { code, out } = await run('verify', '--data-dir', dataDir());
    expect([part, code, out]).toEqual([part, 1, expect.stringMatching(found)]);
    await rm(path, { recursive: true, force: true });
    await rename(join(folder, 'kept'), path);
    expect([part, (await run('verify', '--data-dir', dataDir())).out]).toEqual([
      part,
      expect.stringMatching(/all is well\n$/),
    ]);
  }
  await (await start()).kiln.stop();
});

test('rows that were damaged when they were compacted are named by verify, also when nothing is left of their segment', async () => {
  const first = await start();
  expect((await run('push', '--example', '--url', first.url)).code).toBe(0);
  await first.kiln.stop();
  const objects = join(dataDir(), 'objects');
  const [segment] = (await readdir(objects, { recursive: true })).filter((name) => /\/s\/\S+$/.test(name));
  const whole = await readFile(join(objects, segment!));
  const damaged = Buffer.from(whole);
  damaged[100]! ^= 1;
  await writeFile(join(objects, segment!), damaged);
  const { kiln, url } = await start('--compactor.interval=1h');
  expect((await run('compact', '--now', '--url', url)).code).toBe(0);
  // As if it had been trimmed: what is said is not of the segment.
  await writeFile(join(objects, segment!), whole);
  const { code, out } = await run('verify', '--data-dir', dataDir());
  expect(out).toMatch(
    /^tenants\/anonymous\/q\/\S+: 1 row of tenant anonymous could not be read when compacted: log\/.*\n  nothing brings them back[^]*: 1 problem\n/,
  );
  expect(code).toBe(1);
  expect((await asked(url)).err).toContain('1 rows cannot be read');
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

test('verify goes on behind a damaged manifest and index: it names every fault, and says what Kiln does with it', async () => {
  const { kiln, block } = await compacted();
  await kiln.stop();
  const objects = join(dataDir(), 'objects');
  const manifests = (await readdir(objects, { recursive: true })).filter((name) => /\/m\/\d+$/.test(name));
  expect(manifests).toHaveLength(1);
  for (const name of [...manifests, 'tenants/anonymous/index']) await writeFile(join(objects, name), 'x');
  const bytes = await readFile(block);
  bytes[Math.floor(bytes.length / 2)]! ^= 1;
  await writeFile(block, bytes);
  const { code, out } = await run('verify', '--data-dir', dataDir());
  expect(code).toBe(1);
  expect(out).toMatch(
    /^the catalog: corrupt log\/\S+\/m\/\S+ at byte 0: .*\n  Kiln starts on it and keeps what is pushed in its log, but is not ready/,
  );
  expect(out).toMatch(
    /\nthe catalog: corrupt tenants\/anonymous\/index at byte 0: .*\n.*refuses the queries of this tenant/,
  );
  expect(out).toMatch(/\ntenants\/anonymous\/b\/\S+: .*checksum/);
  expect(out).toMatch(/\n2 objects of \d+ bytes and 2 records of the logs checked: 3 problems\n$/);
});

test('damaged settings and ad hoc profiles are named by verify, and nothing else is harmed', async () => {
  const { kiln, url, before } = await compacted();
  const call = async (method: string, body: object): Promise<{ status: number; message?: string }> => {
    const headers = { 'content-type': 'application/json' };
    const answer = await fetch(`${url}/${method}`, { method: 'POST', headers, body: JSON.stringify(body) });
    return { status: answer.status, ...((await answer.json()) as object) };
  };
  const profile = Buffer.from(exampleProfile()).toString('base64');
  expect(await call('settings.v1.SettingsService/Set', { setting: { name: 'a', value: 'b' } })).toMatchObject({
    status: 200,
  });
  const uploaded = await call('adhocprofiles.v1.AdHocProfileService/Upload', { name: 'cpu', profile });
  expect(uploaded).toMatchObject({ status: 200 });
  expect((await run('verify', '--data-dir', dataDir())).out).toMatch(/^4 objects of .*: all is well\n$/);
  const objects = join(dataDir(), 'objects');
  const [file] = await readdir(join(objects, 'adhoc/anonymous'));
  for (const kept of [join(objects, 'settings/anonymous'), join(objects, 'adhoc/anonymous', file!)]) {
    const bytes = await readFile(kept);
    bytes[bytes.length - 12]! ^= 1;
    await writeFile(kept, bytes);
  }
  const { code, out } = await run('verify', '--data-dir', dataDir());
  expect(code).toBe(1);
  expect(out).toMatch(/^settings\/anonymous: corrupt .*\n  put it back/);
  expect(out).toMatch(/\nadhoc\/anonymous\/\S+-cpu: corrupt .*CRC-32[^]*: 2 problems\n$/);
  expect(await call('adhocprofiles.v1.AdHocProfileService/Get', { id: file })).toMatchObject({
    status: 500,
    message: expect.stringMatching(/^corrupt adhoc/) as string,
  });
  expect((await asked(url)).out).toBe(before);
  await kiln.stop();
});

test('a log that ends before its manifests, or begins after them, is named by verify', async () => {
  const { kiln } = await compacted();
  await kiln.stop();
  const logs = join(dataDir(), 'log');
  const verified = async (): Promise<string> => (await run('verify', '--data-dir', dataDir())).out;
  expect(await verified()).toMatch(/: all is well\n/);
  const held = (await run('log', 'inspect', '--data-dir', dataDir())).out;
  for (const partition of ['0', '1', '2', '3']) {
    for (const name of await readdir(join(logs, partition))) await unlink(join(logs, partition, name));
    await writeFile(join(logs, partition, '0000000000000009.log'), '');
  }
  expect(await verified(), held).toMatch(
    /log \S+ of partition 0: begins at offset 9, its manifests reach -?\d\n[^]*newer than the objects/,
  );
  for (const partition of ['0', '1', '2', '3']) {
    await unlink(join(logs, partition, '0000000000000009.log'));
    await writeFile(join(logs, partition, '0000000000000000.log'), '');
  }
  expect(await verified()).toMatch(
    /ends at offset -1, its manifests reach \d\n[^]*older than the objects[^]*: 1 problem\n/,
  );
});

test('an index that holds more of a log than its manifests is named by verify', async () => {
  const { kiln } = await compacted();
  await kiln.stop();
  const logs = join(dataDir(), 'objects/log');
  for (const log of await readdir(logs)) {
    if (log === 'trim') continue;
    const manifests = join(logs, log, 'm');
    for (const name of await readdir(manifests).catch(() => [])) await unlink(join(manifests, name));
  }
  const { code, out } = await run('verify', '--data-dir', dataDir());
  expect(code).toBe(1);
  expect(out).toMatch(
    /the index of tenant anonymous: holds log \S+ up to offset 1, its manifests reach -1\n[^]*count twice/,
  );
});

test('compact without --now, words that verify and tenants do not take, a folder for a journal and a file for an object are refused with a sentence', async () => {
  expect(await run('compact')).toMatchObject({ code: 2, err: expect.stringContaining('--now') });
  expect(await run('verify', 'x')).toMatchObject({ code: 2 });
  expect(await run('tenants', 'x')).toMatchObject({ code: 2 });
  await writeFile(join(folder, 'a.pb'), exampleProfile());
  expect(await run('import', join(folder, 'a.pb'), '--journal', folder)).toMatchObject({
    code: 1,
    err: `kiln import: ${folder} is a folder, not a file\n`,
  });
  expect(await run('block', 'inspect', join(folder, 'a.pb'))).toMatchObject({
    code: 1,
    err: expect.stringMatching(/^kiln block: \S+a\.pb is no object of Kiln, or is damaged: .*no object ends here\n$/),
  });
  expect(await run('compact', '--now', '--url', 'http://127.0.0.1:9')).toMatchObject({
    code: 1,
    err: expect.stringContaining('is Kiln running there'),
  });
});

test('old files are imported at their own times, once each, as far back as the retention goes', async () => {
  const { kiln, url } = await start();
  const daysAgo = (days: number): bigint => BigInt(Date.now() - days * 86_400_000) * 1_000_000n;
  const files = join(folder, 'old');
  await mkdir(join(files, 'deeper'), { recursive: true });
  await writeFile(join(files, 'a.pb'), withTimeNanos(exampleProfile(), daysAgo(10)));
  await writeFile(join(files, 'deeper', 'b.pb'), withTimeNanos(exampleProfile(), daysAgo(20)));
  await writeFile(join(files, 'c.pb'), withTimeNanos(exampleProfile(), daysAgo(40)));
  await writeFile(join(files, 'd.pb'), 'no profile');
  const journal = join(folder, 'journal');
  const args = ['import', files, '--label', 'service_name=shop', '--url', url];
  const first = await run(...args, '--journal', journal);
  expect(first).toMatchObject({ code: 1, out: '2 files imported, 0 known already, 2 refused\n' });
  expect(first.err).toMatch(/c\.pb: .*retention_period/);
  expect(first.err).toMatch(/d\.pb is no pprof file/);
  const total = async (): Promise<string> =>
    (await run('query', 'profile', target, '--output=collapsed', '--from', 'now-30d', '--url', url)).out;
  const imported = await total();
  expect(imported).toContain('score 4280000000\n');
  expect((await run(...args, '--journal', journal)).out).toBe('0 files imported, 2 known already, 2 refused\n');
  // What began and was not answered: sent again while a copy is dropped, refused when it could count twice.
  const lines = (await readFile(journal, 'utf8')).split('\n');
  const begun = lines.filter(
    (line) =>
      line.startsWith('begun ') && !lines.some((other) => other === `dropped ${line.split(' ').slice(2).join(' ')}`),
  );
  expect([begun.length, lines.filter((line) => line.startsWith('[')).length]).toEqual([2, 2]);
  const died = join(folder, 'died');
  await writeFile(died, `${begun.join('\n')}\n`);
  expect((await run(...args, '--journal', died)).out).toMatch(/^2 files imported/);
  await writeFile(died, `${begun.map((line) => line.replace(/\d+/, String(Date.now() - 2 * 3_600_000))).join('\n')}\n`);
  const late = await run(...args, '--journal', died);
  expect(late.out).toBe('0 files imported, 0 known already, 4 refused\n');
  expect(late.err).toMatch(/a\.pb: was being sent at 20\S+Z when an import ended without its answer/);
  expect(await total()).toBe(imported);
  // With another journal, or one that lost its last line, they are sent again, and dropped as copies: at once, and when blocks are merged.
  expect((await run(...args, '--journal', join(folder, 'other'))).out).toMatch(/^2 files imported/);
  expect(await total()).toBe(imported);
  expect((await run('push', join(files, 'a.pb'), '--keep-time', '--url', url)).err).toContain('reject_older_than');
  await kiln.stop();
});

test('an import faster than the rate of its tenant waits as the server says, and ends whole', async () => {
  const limits = ['--distributor.ingestion-rate-limit-mb=0.0003', '--distributor.ingestion-burst-size-mb=0.0001'];
  const { kiln, url } = await start(...limits, `--validation.max-profile-size-bytes=${exampleProfile().length + 50}`);
  const files = join(folder, 'old');
  await mkdir(files);
  for (let i = 0; i < 2; i++)
    await writeFile(
      join(files, `${i}.pb`),
      withTimeNanos(exampleProfile(), BigInt(Date.now() - i * 1000) * 1_000_000n),
    );
  const began = Date.now();
  const { code, out, err } = await run('import', files, '--url', `${url}/`, '--journal', join(folder, 'journal'));
  expect({ code, out, err }).toEqual({ code: 0, out: '2 files imported, 0 known already, 0 refused\n', err: '' });
  expect(Date.now() - began).toBeGreaterThan(1000);
  // The journal knows the server by its address, however that is written.
  expect((await run('import', files, '--url', url, '--journal', join(folder, 'journal'))).out).toContain(
    '2 known already',
  );
  await kiln.stop();
});

test('an import of what claims to be older than pprof is refused with the time found and what to do', async () => {
  const file = join(folder, 'seconds.pb');
  await writeFile(file, withTimeNanos(exampleProfile(), 1_700_000_000_000_000n));
  const journal = join(folder, 'journal');
  expect(await run('import', file, '--url', 'http://127.0.0.1:1', '--journal', journal)).toMatchObject({
    code: 1,
    out: '0 files imported, 0 known already, 1 refused\n',
    err: `${file}: has the time 1970-01-20T16:13:20Z, before 2000-01-01, when there were no such files: time_nanos, 1700000000000000, is wrong or in another unit; kiln push sends it with the time of now\n`,
  });
});

test('a journal that lies in the folder that is imported is none of the files', async () => {
  const files = join(folder, 'files');
  await mkdir(files);
  await writeFile(join(files, 'a.pb'), withTimeNanos(exampleProfile(), 1_700_000_000_000_000n));
  const journal = join(files, 'kiln-import.journal');
  for (const given of [[files], [files], [join(files, 'a.pb'), journal]])
    expect(await run('import', ...given, '--url', 'http://127.0.0.1:1', '--journal', journal)).toMatchObject({
      code: 1,
      out: '0 files imported, 0 known already, 1 refused\n',
    });
});

test('an import further back than queries reach says so, and by which limit', async () => {
  const { kiln, url } = await start('--retention-period=1y');
  const file = join(folder, 'old.pb');
  const importOf = (days: number): Promise<{ code: number; err: string }> =>
    writeFile(file, withTimeNanos(exampleProfile(), BigInt(Date.now() - days * 86_400_000) * 1_000_000n)).then(() =>
      run('import', file, '--url', url, '--journal', join(folder, 'journal')),
    );
  expect(await importOf(20)).toMatchObject({ code: 0, err: '' });
  expect(await importOf(40)).toMatchObject({
    code: 0,
    err: expect.stringMatching(
      /^note: asked for the time of the oldest, 20\S+Z, the server says: nothing before 20\S+Z is answered.*: max_query_lookback is 30d \(flag --querier\.max-query-lookback\)\n$/,
    ) as string,
  });
  await kiln.stop();
});

test('with the three settings of the README profiles are kept and asked for over years', async () => {
  const readme = await readFile(join(import.meta.dirname, '../../../../README.md'), 'utf8');
  const [, flags] = /\.\/kiln start (--retention-period=3y .*)\n/.exec(readme)!;
  const { kiln, url } = await start(...flags!.split(' '));
  const file = join(folder, 'old.pb');
  await writeFile(file, withTimeNanos(exampleProfile(), BigInt(Date.now() - 700 * 86_400_000) * 1_000_000n));
  const journal = join(folder, 'journal');
  expect(await run('import', file, '--url', url, '--journal', journal)).toMatchObject({ code: 0, err: '' });
  const asking = await run('query', 'series', 'process_cpu', '--output=csv', '--from', 'now-2y', '--url', url);
  expect(asking).toMatchObject({ code: 0, err: '' });
  expect(asking.out.trim().split('\n')).toHaveLength(2);
  await kiln.stop();
});
