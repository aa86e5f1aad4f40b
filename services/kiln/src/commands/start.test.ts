import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { parse as parseYaml } from 'yaml';
import { run, Running } from '../test-terminal.test-support.ts';

let folder: string;
// The framework takes seconds to load on a busy machine: no part of any test's time.
beforeAll(() => import('./start.ts'), 60_000);
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'kiln-start-'));
});
afterEach(() => rm(folder, { recursive: true }));

const dataDir = (): string => join(folder, 'data');
const target = 'process_cpu:cpu:nanoseconds:cpu:nanoseconds{}';

test('a read of several tenants is the sum of theirs', async () => {
  const { kiln, url } = await start('--auth.multitenancy-enabled=true');
  for (const tenant of ['a', 'b', 'b', 'c'])
    expect((await run('push', '--example', '--url', url, '--tenant', tenant)).err).toBe('');
  const total = async (tenant: string): Promise<number> => {
    const { out } = await run('query', 'profile', target, '--output=collapsed', '--url', url, '--tenant', tenant);
    return out.split('\n').reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' ') + 1)), 0);
  };
  const one = await total('a');
  expect(one).toBeGreaterThan(0);
  expect(await Promise.all(['b', 'a|b', 'c|a|b|a', 'nobody', 'nobody|a'].map(total))).toEqual([
    2 * one,
    3 * one,
    4 * one,
    0,
    one,
  ]);
  expect(await kiln.stop()).toMatchObject({ code: 0 });
});

test('row 44: an answer above a limit is refused with 429 and the setting that changes it', async () => {
  const { kiln, url } = await start('--querier.max-result-nodes=2');
  expect((await run('push', '--example', '--url', url)).err).toBe('');
  const range = { start: String(Date.now() - 600_000), end: String(Date.now() + 600_000) };
  const response = await fetch(`${url}/querier.v1.QuerierService/SelectMergeStacktraces`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ profileTypeID: target.slice(0, -2), labelSelector: '{}', ...range }),
  });
  expect([response.status, await response.json()]).toEqual([
    429,
    {
      code: 'resource_exhausted',
      message:
        'the answer has more than 2 tree nodes before truncation, allowed are 2 (max_result_nodes, flag --querier.max-result-nodes): narrow the selector or the time range',
    },
  ]);
  expect(await kiln.stop()).toMatchObject({ code: 0 });
});

/** Workers are built files; from source the partitions run in this thread. */
const startArgs = (...flags: string[]): string[] => [
  'start',
  '--port=0',
  '--data-dir',
  dataDir(),
  '--ingester.workers=0',
  '--querier.threads=0',
  '--distributor.threads=0',
  '--compactor.threads=0',
  '--self-profiling.enabled=false',
  '--log.level=error',
  ...flags,
];

async function start(...flags: string[]): Promise<{ kiln: Running; url: string }> {
  const kiln = new Running(startArgs(...flags));
  const [, url] = await kiln.printed(/ready on (\S+)\n[^]*Ctrl-C/);
  return { kiln, url: url! };
}

test('a profile that was pushed is there at once, after a stop, and in the objects', async () => {
  const first = await start();
  expect(first.kiln.out).toContain(`${dataDir()} (`);
  const pasted = /try it +\.\/kiln (.*)\n/.exec(first.kiln.out)![1]!.split(' ');
  expect((await run(...pasted)).err).toBe('');
  const before = (await run('query', 'profile', target, '--output=collapsed', '--url', first.url)).out;
  expect(before).toContain('main;serve;handleSearch;rankResults;score 2140000000\n');
  expect((await run('log', 'inspect', '--data-dir', dataDir())).out).toMatch(/^partition +log +first +last/);
  expect(await first.kiln.stop()).toMatchObject({ code: 0, err: '' });
  await expect(fetch(`${first.url}/ready`)).rejects.toThrow('fetch failed');
  expect((await readdir(dataDir())).toSorted()).toEqual(['log', 'objects', 'reserve', 'version']);

  const listed = (await run('block', 'list', '--data-dir', dataDir())).out;
  const [, object] = /anonymous +0 +1 .* (log\/\S+\/s\/\S+)\n/.exec(listed)!;
  expect(listed).not.toContain('named by nobody');
  expect((await run('block', 'inspect', object!, '--data-dir', dataDir())).out).toMatch(
    /anonymous +shop\.example +process_cpu +cpu:nanoseconds +1 +1 +6 +6 /,
  );
  expect(await run('block', 'verify', '--data-dir', dataDir())).toMatchObject({ code: 0 });

  const path = join(dataDir(), 'objects', object!);
  const bytes = await readFile(path);
  const second = await start();
  expect((await run('query', 'profile', target, '--output=collapsed', '--url', second.url)).out).toBe(before);
  await second.kiln.stop();
  bytes[Math.floor(bytes.length / 3)]! ^= 1;
  await writeFile(join(folder, 'damaged'), bytes);
  expect(await run('block', 'verify', join(folder, 'damaged'))).toMatchObject({ code: 1 });
});

test('a start with an object whose ids are damaged takes traffic, and names the object in its log, its metrics, /ready and answers', async () => {
  const first = await start();
  expect((await run('push', '--example', '--url', first.url)).code).toBe(0);
  while ((await run('query', 'profile', target, '--output=collapsed', '--url', first.url)).out === ''); // until the head has it
  await first.kiln.stop();
  const names = await readdir(join(dataDir(), 'objects'), { recursive: true });
  const manifest = await readFile(
    join(
      dataDir(),
      'objects',
      names.find((name) => /\/m\/\d+$/.test(name))!,
    ),
    'utf8',
  );
  const { object, idsOff } = JSON.parse(manifest.split('\n', 1)[0]!) as { object: string; idsOff: number };
  const path = join(dataDir(), 'objects', object);
  const bytes = await readFile(path);
  bytes[idsOff + 30]! ^= 1;
  await writeFile(path, bytes);

  const { kiln, url } = await start();
  const ready = await fetch(`${url}/ready?verbose`);
  expect([ready.status, await ready.text()]).toEqual([
    200,
    expect.stringContaining(`the ids of object ${object} are lost (corrupt section`),
  ]);
  expect((await run('push', '--example', '--url', url)).code).toBe(0); // to the same partition
  const flag = async (): Promise<string | null> => {
    const range = JSON.stringify({ start: String(Date.now() - 3_600_000), end: String(Date.now()) });
    const post = { method: 'POST', headers: { 'content-type': 'application/json' }, body: range };
    return (await fetch(`${url}/querier.v1.QuerierService/ProfileTypes`, post)).headers.get('x-kiln-partial');
  };
  while ((await flag()) === null) await new Promise((resolve) => setTimeout(resolve, 10));
  expect(await flag()).toContain(`copies may count twice: the ids of ${object} are lost`);
  const metric = async (): Promise<boolean> =>
    /^kiln_ingester_lost_ids_count\{partition="\d+"\} 1$/m.test(await (await fetch(`${url}/metrics`)).text());
  while (!(await metric())) await new Promise((resolve) => setTimeout(resolve, 100)); // told every 5 s
  const { err } = await kiln.stop();
  expect(err.match(/ids are lost/g)).toHaveLength(1);
  expect(err).toContain(object);
}, 30_000);

test('two processes on one directory: the second is refused with a sentence, and the first lives on', async () => {
  const { kiln, url } = await start();
  const second = await run('start', '--port=0', '--data-dir', dataDir());
  expect(second).toMatchObject({ code: 1, out: '' });
  expect(second.err).toBe(
    `kiln start: the data directory ${dataDir()} is in use by process ${process.pid}: stop it first, or start with another --data-dir\n`,
  );
  expect(await run('ready', '--url', url)).toMatchObject({ code: 0 });
  await kiln.stop();
});

test('a port that is taken, a bad file, a newer format, other partitions: one sentence each, and the directory is let go', async () => {
  const taken = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => taken.on('listening', resolve));
  const { port } = taken.address() as AddressInfo;
  const refused = async (want: string, ...flags: string[]): Promise<void> => {
    const ran = await run('start', '--port=0', '--ingester.workers=0', '--data-dir', dataDir(), ...flags);
    expect(ran.err).toBe(`kiln start: ${want}\n`);
    expect(ran.code).toBeGreaterThan(0);
    expect((await readdir(dataDir()).catch(() => [])).filter((name) => name.startsWith('lock'))).toEqual([]);
  };
  await refused(
    `127.0.0.1:${port} is taken by another process: stop it, or start with another --port`,
    `--port=${port}`,
  );
  taken.close();
  expect(await readdir(folder)).toEqual([]); // nothing is left behind of a start that was none
  const yaml = join(folder, 'kiln.yaml');
  await refused(`there is no ${yaml}`, '--config.file', yaml);
  await refused(`${folder} is a folder, not a file`, '--config.file', folder);
  await writeFile(yaml, 'server: {http_listen_prot: 1}');
  await refused(
    `unknown key server.http_listen_prot in ${yaml}: did you mean server.http_listen_port?`,
    '--config.file',
    yaml,
  );
  await (await start()).kiln.stop();
  const other = await run(
    'start',
    '--port=0',
    '--data-dir',
    dataDir(),
    '--partition-log.partitions=8',
    '--ingester.workers=0',
  );
  expect(other.err).toMatch(/made with 4 partitions, this process is set to 8: .* when the data directory is made/);
  await writeFile(join(dataDir(), 'version'), 'kiln 9\n');
  await refused(
    `the data directory ${dataDir()} has layout 9, this Kiln knows up to 1: start the newer Kiln that wrote it`,
  );
});

test('windows that do not lie in each other are refused with both values, before anything is made', async () => {
  for (const [first, second] of [
    ['1h', '90m'],
    ['7h', '1d'],
    ['2h', '1h'],
  ])
    expect(
      await run(...startArgs(`--compactor.first-window=${first}`, `--compactor.second-window=${second}`)),
    ).toMatchObject({
      code: 2,
      err: expect.stringMatching(
        /^kiln start: compactor\.second-window is (1h30m|1d|1h), must be a multiple of compactor\.first-window, which is [127]h: /,
      ) as string,
    });
  expect(await readdir(folder)).toEqual([]);
});

test('a server that is stopped before it is ready never says that it is', async () => {
  const first = await start();
  expect((await run('push', '--example', '--url', first.url)).code).toBe(0);
  await first.kiln.stop();
  const names = await readdir(join(dataDir(), 'objects'), { recursive: true });
  await writeFile(
    join(
      dataDir(),
      'objects',
      names.find((name) => /\/m\/\d+$/.test(name))!,
    ),
    'x',
  );
  const never = new Running(startArgs());
  expect(await never.stop()).toMatchObject({ code: 0, out: '', err: '' });
});

test('a tenant sees its own; the header is ignored aloud when multitenancy is off', async () => {
  const strict = await start('--auth.multitenancy-enabled=true');
  expect((await run('push', '--example', '--url', strict.url)).err).toContain(
    'for tenants are kept apart (auth.multitenancy-enabled) (unauthenticated): the flag is --tenant NAME',
  );
  expect((await run('push', '--example', '--tenant=a', '--url', strict.url)).code).toBe(0);
  expect((await run('query', 'profile', target, '--tenant=a', '--url', strict.url)).out).toContain('score');
  const other = await run('query', 'profile', target, '--tenant=b', '--url', strict.url);
  expect([other.out, other.err.includes('note:')]).toEqual(['', false]);
  await strict.kiln.stop();
  const open = await start();
  const ignored =
    'note: the server ignored --tenant a and took "anonymous": it runs without --auth.multitenancy-enabled\n';
  const asked = await run('query', 'profile', target, '--tenant=a', '--url', open.url);
  expect([asked.out, asked.err]).toEqual(['', expect.stringContaining(ignored)]);
  expect((await run('push', '--example', '--tenant=a', '--url', open.url)).err).toBe(ignored);
  expect((await run('push', '--example', '--url', open.url)).err).toBe('');
  expect((await run('ready', '--url', open.url)).out).toContain('X-Scope-OrgID was ignored in');
  expect(await (await fetch(`${open.url}/metrics`)).text()).toMatch(/^kiln_tenant_header_ignored_total [1-9]/m);
  await open.kiln.stop();
});

test('an answer that begins before the lookback or the retention says so, empty or not', async () => {
  const { kiln, url } = await start('--querier.max-query-lookback=2h', '--querier.max-query-length=0');
  await run('push', '--example', '--url', url);
  const ask = (...range: string[]): ReturnType<typeof run> => run('query', 'profile', target, '--url', url, ...range);
  const note =
    /^note: nothing before \d{4}-\d\d-\d\dT\S+Z is answered(, so the whole range is empty)?: max_query_lookback is 2h \(flag --querier\.max-query-lookback\)$/m;
  const clamped = await ask('--from=now-3h');
  expect([clamped.out, clamped.err]).toEqual([expect.stringContaining('score'), expect.stringMatching(note)]);
  const empty = await ask('--from=now-4h', '--to=now-3h');
  expect([empty.out, empty.err]).toEqual(['', expect.stringMatching(note)]);
  expect((await ask('--from=now-1h')).err).not.toContain('note');
  await kiln.stop();
});

test('the lines to paste list what is answered, and nothing that is not', async () => {
  const { kiln, url } = await start();
  const lines = await (await fetch(`${url}/`)).text();
  const [, listed] = /gRPC-Web:\n((?: +(?:[A-Z]\w+,? ?)+\n)+)/.exec(lines)!;
  const methods = listed!.match(/\w+/g)!;
  const post = (method: string): Promise<Response> =>
    fetch(`${url}/querier.v1.QuerierService/${method}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: '{}',
    });
  expect(methods).toHaveLength(12);
  for (const method of methods) expect([method, (await post(method)).status]).not.toEqual([method, 501]);
  const gets = [...lines.matchAll(/GET +(\S+)/g)].map(([, address]) => address!);
  expect(gets.length).toBeGreaterThan(5);
  for (const address of gets) expect([address, (await fetch(address)).status]).not.toEqual([address, 404]);
  for (const language of ['Python', 'Go', 'Node', 'Rust']) expect(lines).toContain(`  ${language} (`);
  expect(lines).toContain(`POST ${url}/push.v1.PusherService/Push`);
  await kiln.stop();
});

test('its settings are served as a file that starts another one alike', async () => {
  const yaml = join(folder, 'kiln.yaml');
  await writeFile(yaml, 'server: {log_level: warn}\nlimits: {retention_period: 7d}');
  const first = await start('--config.file', yaml, '--ingester.cut-max-bytes=1MiB');
  const get = async (url: string, path = ''): Promise<string> =>
    (await fetch(`${url}/api/v1/status/config${path}`)).text();
  const effective = await get(first.url);
  expect(effective).toContain('retention_period: 7d\n');
  // What the flags of `start` above say, and the file.
  expect(parseYaml(await get(first.url, '/diff'))).toEqual({
    data_dir: dataDir(),
    server: { http_listen_port: 0, log_level: 'error' },
    distributor: { threads: 0 },
    compactor: { threads: 0 },
    ingester: { cut_max_bytes: '1MiB', workers: 0 },
    querier: { threads: 0 },
    self_profiling: { enabled: false },
    limits: { retention_period: '7d' },
  });
  expect(await get(first.url, '/default')).toContain('retention_period: 30d\n');
  await first.kiln.stop();
  await writeFile(yaml, effective);
  const second = await start('--config.file', yaml);
  expect(await get(second.url)).toBe(effective);
  await second.kiln.stop();
});

test('limits of tenants are served as the file that sets them, in full or where they differ', async () => {
  const yaml = join(folder, 'overrides.yaml');
  await writeFile(yaml, 'overrides: {team-a: {max_query_length: 1h, ingestion_rate_mb: 7}}');
  const { kiln, url } = await start('--runtime-config.file', yaml);
  const get = async (path: string): Promise<unknown> => parseYaml(await (await fetch(url + path)).text());
  expect(await get('/runtime_config?mode=diff')).toEqual({
    overrides: { 'team-a': { max_query_length: '1h', ingestion_rate_mb: 7 } },
  });
  const { overrides } = (await get('/runtime_config')) as { overrides: Record<string, Record<string, unknown>> };
  expect(overrides['team-a']).toMatchObject({ max_query_length: '1h', retention_period: '30d' });
  await kiln.stop();
  const other = await start();
  expect(await (await fetch(`${other.url}/runtime_config`)).text()).toContain('runtime-config.file');
  await other.kiln.stop();
});

test('what pushes in flight may hold is a setting with a default and a smallest value, and the 503 names it', async () => {
  expect((await run('start', '--help')).out).toMatch(
    /--distributor\.in-flight-max-bytes=0[^]*at most 128 MiB[^]*distributor\.in_flight_max_bytes/,
  );
  const tooSmall = await run('start', '--data-dir', dataDir(), '--distributor.in-flight-max-bytes=5');
  expect(tooSmall.err).toMatch(/distributor\.in-flight-max-bytes.*1MiB/);
  const yaml = join(folder, 'kiln.yaml');
  await writeFile(yaml, 'distributor: {in_flight_max_bytes: 1MiB}');
  const { kiln, url } = await start('--config.file', yaml);
  const push = { method: 'POST', headers: { 'content-type': 'application/proto' } };
  const slow = request(`${url}/push.v1.PusherService/Push`, push).on('error', () => undefined);
  slow.write(new Uint8Array(230_000));
  const held = async (): Promise<boolean> =>
    /^kiln_distributor_in_flight_bytes 230000$/m.test(await (await fetch(`${url}/metrics`)).text());
  while (!(await held())) await new Promise((resolve) => setTimeout(resolve, 10));
  const refused = await fetch(`${url}/push.v1.PusherService/Push`, { ...push, body: new Uint8Array(40_000) });
  expect([refused.status, await refused.text()]).toEqual([
    503,
    expect.stringMatching(/below 262144 \(distributor\.in-flight-max-bytes\)/),
  ]);
  slow.destroy();
  await kiln.stop();
});

test('the memory ceiling is a setting; what was left to Kiln is a share of it, as the configuration and the metrics show', async () => {
  const tooSmall = await run('start', '--data-dir', dataDir(), '--memory.ceiling=64MiB');
  expect(tooSmall.err).toMatch(/memory\.ceiling is 64MiB: .* needs \d+MiB at least/);
  const { kiln, url } = await start('--memory.ceiling=1GiB', '--compactor.max-job-bytes=3MiB');
  const effective = await (await fetch(`${url}/api/v1/status/config`)).text();
  for (const line of ['ceiling: 1GiB', 'head_max_bytes: 464MiB', 'max_job_bytes: 3MiB', 'max_concurrent: 3'])
    expect(effective).toContain(`  ${line}\n`);
  const diff = await (await fetch(`${url}/api/v1/status/config/diff`)).text();
  expect(diff).toContain('ceiling: 1GiB');
  expect(diff).not.toContain('head_max_bytes');
  const metrics = await (await fetch(`${url}/metrics`)).text();
  expect(metrics).toContain(`kiln_memory_ceiling_bytes ${2 ** 30}\n`);
  expect(metrics).toMatch(/^kiln_memory_process_bytes [1-9]\d+$/m);
  for (const share of ['caches', 'heads', 'requests', 'queries', 'merges'])
    expect(metrics).toMatch(new RegExp(`^kiln_memory_${share}_bytes \\d+$`, 'm'));
  await kiln.stop();
});

test('another address than loopback is a warning', async () => {
  const { kiln } = await start('--server.http-listen-address=0.0.0.0');
  expect((await kiln.stop()).err).toContain(
    'warning: 0.0.0.0 is reachable from other machines and Kiln asks nobody for a password',
  );
});
