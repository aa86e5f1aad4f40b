import { spawnSync } from 'node:child_process';
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { kilnIsBuilt, kilnMain, startKiln, type RunningKiln } from '../support/kiln-process.ts';
import { MarkedTenants, manyTenants } from '../support/marked-tenants.ts';
import { requireService } from '../support/services.ts';
import { pushRequest, tinyPprof } from './tiny-pprof.ts';

const built = requireService('kiln', kilnIsBuilt(), `${kilnMain} is not built`);
const canMount = requireService('mount', process.getuid?.() === 0, 'file systems can only be mounted by root');

let dir = '';
let running: { kiln: RunningKiln; neighbours: MarkedTenants }[] = [];
/** By data directory: two tenants that live there beside the one that has the trouble. */
const neighboursOf = new Map<string, MarkedTenants>();
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'kiln-trouble-'));
});
afterEach(async () => {
  try {
    for (const { kiln, neighbours } of running) {
      if (kiln.isAlive()) await neighbours.look(kiln);
      else await neighbours.lookAround(kiln.output());
    }
  } finally {
    for (const { kiln } of running) await kiln.kill();
    running = [];
    spawnSync('umount', [join(dir, 'disk')]);
    await rm(dir, { recursive: true, force: true });
  }
});

async function start(dataDir: string, flags: string[] = [], env: Record<string, string> = {}): Promise<RunningKiln> {
  const kiln = await startKiln({ dataDir, flags: [manyTenants, ...flags], env });
  const neighbours = neighboursOf.get(dataDir) ?? new MarkedTenants(dataDir);
  neighboursOf.set(dataDir, neighbours);
  running.push({ kiln, neighbours });
  await neighbours.push(kiln.url);
  return kiln;
}

/** A start that must not succeed: its exit code and what it wrote. */
function startRefused(args: string[]): { code: number | null; output: string } {
  const { status, stdout, stderr } = spawnSync(process.execPath, [kilnMain, 'start', ...args], {
    encoding: 'utf8',
    timeout: 20_000,
  });
  return { code: status, output: stdout + stderr };
}

const TENANT = { 'x-scope-orgid': 'shop' };

let pushes = 0;
async function push(url: string, value: bigint, padding = ''): Promise<{ status: number; text: string }> {
  const timeNanos = BigInt(Date.now()) * 1_000_000n + BigInt(++pushes);
  const profile = tinyPprof({
    type: 'cpu',
    unit: 'ns',
    timeNanos,
    stacks: [{ frames: [`leaf${padding}`, 'main'], value }],
  });
  const body = pushRequest([{ labels: { __name__: 'process_cpu', service_name: 'shop' }, profiles: [profile] }]);
  const response = await fetch(`${url}/push.v1.PusherService/Push`, {
    method: 'POST',
    headers: { 'content-type': 'application/proto', ...TENANT },
    body,
  });
  return { status: response.status, text: await response.text() };
}

async function total(url: string): Promise<bigint> {
  const body = JSON.stringify({
    profileTypeID: 'process_cpu:cpu:ns::',
    labelSelector: '{service_name="shop"}',
    start: String(Date.now() - 600_000),
    end: String(Date.now() + 600_000),
  });
  const response = await fetch(`${url}/querier.v1.QuerierService/SelectMergeStacktraces`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...TENANT },
    body,
  });
  const answer = (await response.json()) as { flamegraph?: { total?: string }; message?: string };
  if (!response.ok) throw new Error(answer.message);
  return BigInt(answer.flamegraph?.total ?? '0');
}

async function totalBecomes(url: string, want: bigint): Promise<void> {
  let found = -1n;
  for (let i = 0; i < 100 && found !== want; i++) {
    found = await total(url).catch(() => -1n);
    if (found !== want) await sleep(100);
  }
  expect(found).toBe(want);
}

describe.skipIf(!built)('a start is refused with a sentence', { timeout: 60_000 }, () => {
  test('on a directory that another process holds, and not once that is dead', async () => {
    const dataDir = join(dir, 'data');
    const first = await start(dataDir);
    expect((await push(first.url, 7n)).status).toBe(200);
    const { code, output } = startRefused(['--port', '0', '--data-dir', dataDir]);
    expect(code).toBe(1);
    expect(output).toContain(dataDir);
    expect(output).toContain(String(first.pid));
    expect(output).not.toMatch(/^\s+at /m);
    await first.kill();
    await totalBecomes((await start(dataDir)).url, 7n);
  });

  test('when the port is taken', async () => {
    const server = createServer();
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
    const { port } = server.address() as { port: number };
    const { code, output } = startRefused(['--port', String(port), '--data-dir', join(dir, 'data')]);
    server.close();
    expect([code, output]).toEqual([1, expect.stringMatching(new RegExp(`${port}.*(in use|taken)`))]);
    expect(output).not.toMatch(/^\s+at /m);
  });

  test('row 51: on a directory of a newer format', async () => {
    const dataDir = join(dir, 'data');
    await (await start(dataDir)).stop();
    const version = join(dataDir, 'version');
    await writeFile(version, (await readFile(version, 'utf8')).replace(/\d+/, '99'));
    const { code, output } = startRefused(['--port', '0', '--data-dir', dataDir]);
    expect([code, output]).toEqual([1, expect.stringMatching(/99.*newer|newer.*99/)]);
  });

  test('for a flag, a value or a file that is wrong, naming what is right', () => {
    expect(startRefused(['--prot', '4040']).output).toMatch(/prot.*port/);
    expect(startRefused(['--ingester.cut-max-age=soon']).output).toMatch(
      /soon.*ingester\.cut-max-age|ingester\.cut-max-age.*soon/,
    );
    expect(startRefused([`--config.file=${join(dir, 'none.yaml')}`]).output).toContain('none.yaml');
  });
});

describe.skipIf(!built)('a process that loses its data directory', { timeout: 60_000 }, () => {
  test.each([
    ['its lock is removed', 'somebody removed it', (dataDir: string) => rm(join(dataDir, 'lock.1'))],
    ['another one takes it', 'another process took', (dataDir: string) => writeFile(join(dataDir, 'lock.2'), '{}')],
  ])('because %s ends with one sentence, cuts nothing and leaves the files as they are', async (_, why, lose) => {
    const dataDir = join(dir, 'data');
    const kiln = await start(dataDir);
    expect((await push(kiln.url, 7n)).status).toBe(200);
    await lose(dataDir);
    const files = await filesOf(dataDir);
    expect(await kiln.ended).toBe(1);
    expect(await filesOf(dataDir)).toEqual(files);
    const told = kiln.output().slice(kiln.output().indexOf('kiln start: '));
    expect(told).toMatch(new RegExp(`^kiln start: the data directory ${dataDir} is not this process's any more .*\n$`));
    expect(told).toContain(why);
    await rm(join(dataDir, 'lock.2'), { force: true });
    await totalBecomes((await start(dataDir)).url, 7n);
  });

  /** Path, size and time of everything but the locks. */
  async function filesOf(folder: string): Promise<string[]> {
    const found: string[] = [];
    for (const entry of await readdir(folder, { withFileTypes: true, recursive: true })) {
      const path = join(entry.parentPath, entry.name);
      const { size, mtimeMs } = await stat(path);
      if (entry.isFile() && !entry.name.startsWith('lock.')) found.push(`${path} ${size} ${mtimeMs}`);
    }
    return found.toSorted((a, b) => (a < b ? -1 : 1));
  }
});

describe.skipIf(!built || !canMount)('a disk in trouble', { timeout: 120_000 }, () => {
  const mount = (...args: string[]): void => {
    const { status, stderr } = spawnSync('mount', args, { encoding: 'utf8' });
    if (status !== 0) throw new Error(stderr);
  };

  test('row 10: full: pushes get 503, nothing acknowledged is lost, and it goes on when there is room', async () => {
    const disk = join(dir, 'disk');
    await mkdir(disk);
    mount('-t', 'tmpfs', '-o', 'size=32m', 'tmpfs', disk);
    const kiln = await start(join(disk, 'data'));
    let want = 0n;
    for (let i = 0; i < 5; i++) {
      expect((await push(kiln.url, 10n)).status).toBe(200);
      want += 10n;
    }
    const filler = join(disk, 'filler');
    spawnSync('dd', ['if=/dev/zero', `of=${filler}`, 'bs=64k']);
    const refused = [];
    for (let i = 0; i < 40 && refused.length < 5; i++) {
      const { status, text } = await push(kiln.url, 100n, 'x'.repeat(20_000) + i);
      if (status === 200) want += 100n;
      else refused.push({ status, text });
    }
    expect(refused.length).toBe(5);
    for (const { status, text } of refused) {
      expect(status).toBe(503);
      expect(JSON.parse(text)).toMatchObject({ code: 'unavailable', message: expect.stringMatching(/full|space/i) });
    }
    expect((await fetch(`${kiln.url}/api/v1/status/buildinfo`)).status).toBe(200);
    await rm(filler);
    let recovered = false;
    for (let i = 0; i < 50 && !recovered; i++) {
      recovered = (await push(kiln.url, 1n)).status === 200;
      if (!recovered) await sleep(100);
    }
    expect(recovered).toBe(true);
    want += 1n;
    await totalBecomes(kiln.url, want);
    await kiln.kill();
    const again = await start(join(disk, 'data'));
    await totalBecomes(again.url, want);
  });

  test('row 11: read-only: pushes get 503 with a sentence, what is there is still answered, and it goes on after', async () => {
    const disk = join(dir, 'disk');
    await mkdir(disk);
    mount('-t', 'tmpfs', '-o', 'size=32m', 'tmpfs', disk);
    const kiln = await start(join(disk, 'data'));
    expect((await push(kiln.url, 3n)).status).toBe(200);
    await totalBecomes(kiln.url, 3n);
    // Bound read-only over itself: open files keep writing to a tmpfs that is remounted while in use.
    const made = spawnSync('mount', ['-o', 'remount,ro', disk], { encoding: 'utf8' });
    const isReadOnly = made.status === 0;
    if (isReadOnly) {
      const { status, text } = await push(kiln.url, 5n);
      expect(status).toBe(503);
      expect(text).toMatch(/read-only/i);
      expect(await total(kiln.url)).toBe(3n);
      mount('-o', 'remount,rw', disk);
    } else {
      // A file system with files open for writing cannot be remounted: what a start says of a read-only one is shown instead.
      await kiln.kill();
      mount('-o', 'remount,ro', disk);
      const { code, output } = startRefused(['--port', '0', '--data-dir', join(disk, 'data')]);
      expect([code, output]).toEqual([1, expect.stringMatching(/read-only/i)]);
      mount('-o', 'remount,rw', disk);
    }
    const after = isReadOnly ? kiln : await start(join(disk, 'data'));
    let value = 0n;
    for (let i = 0; i < 50 && value === 0n; i++) {
      if ((await push(after.url, 20n)).status === 200) value = 20n;
      else await sleep(100);
    }
    await totalBecomes(after.url, 23n);
  });
});

describe.skipIf(!built)('a stop', { timeout: 120_000 }, () => {
  test('by SIGTERM under load is clean and takes seconds; every acknowledged push is there after it', async () => {
    const dataDir = join(dir, 'data');
    const kiln = await start(dataDir);
    let want = 0n;
    let stopping = false;
    const clients = Array.from({ length: 4 }, async () => {
      while (!stopping) {
        const answer = await push(kiln.url, 1n).catch(() => undefined);
        if (answer?.status === 200) want += 1n;
      }
    });
    for (let i = 0; i < 200 && want <= 50n; i++) await sleep(100);
    const began = Date.now();
    const code = await kiln.stop();
    stopping = true;
    await Promise.all(clients);
    expect(code).toBe(0);
    expect(Date.now() - began).toBeLessThan(15_000);
    expect(want).toBeGreaterThan(50n);
    const again = await start(dataDir);
    await totalBecomes(again.url, want);
  });

  test('by a kill at any step of a cut loses nothing and doubles nothing', async () => {
    for (const step of ['before-segment', 'after-segment', 'after-manifest', 'after-chain', 'after-drop']) {
      const dataDir = join(dir, step);
      const kiln = await start(dataDir, ['--ingester.cut-max-age=1s'], { KILN_TEST_DIE_AT: step });
      let want = 0n;
      for (let i = 0; i < 3; i++) if ((await push(kiln.url, 11n)).status === 200) want += 11n;
      // By a signal: no code.
      expect([step, await kiln.ended, want]).toEqual([step, null, 33n]);
      const again = await start(dataDir, ['--ingester.cut-max-age=1s']);
      await totalBecomes(again.url, want);
      await sleep(2_500);
      expect([step, await total(again.url)]).toEqual([step, want]);
      await neighboursOf.get(dataDir)!.look(again);
      await again.kill();
    }
  });

  test('and a place where nothing can be written is a sentence at the start', () => {
    const { code, output } = startRefused(['--port', '0', '--data-dir', '/proc/kiln']);
    expect(code).toBe(1);
    expect(output).toContain('/proc/kiln');
    expect(output).not.toMatch(/^\s+at /m);
  });
});
