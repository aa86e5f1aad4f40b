import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, readdir, readFile, rm, stat, statfs, writeFile } from 'node:fs/promises';
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
  return pushAt(url, Date.now(), value, [`leaf${padding}`, 'main']);
}

async function pushAt(
  url: string,
  timeMs: number,
  value: bigint,
  frames: readonly string[],
): Promise<{ status: number; text: string }> {
  const timeNanos = BigInt(timeMs) * 1_000_000n + BigInt(++pushes);
  const profile = tinyPprof({ type: 'cpu', unit: 'ns', timeNanos, stacks: [{ frames, value }] });
  const body = pushRequest([{ labels: { __name__: 'process_cpu', service_name: 'shop' }, profiles: [profile] }]);
  const response = await fetch(`${url}/push.v1.PusherService/Push`, {
    method: 'POST',
    headers: { 'content-type': 'application/proto', ...TENANT },
    body,
  });
  return { status: response.status, text: await response.text() };
}

/** Names that nothing compresses to less than three quarters: 100 of 8 KiB. */
function bulkyFrames(): string[] {
  return Array.from({ length: 100 }, () => randomBytes(6 * 1024).toString('base64'));
}

async function total(url: string, fromMs = Date.now() - 600_000, toMs = Date.now() + 600_000): Promise<bigint> {
  const body = JSON.stringify({
    profileTypeID: 'process_cpu:cpu:ns::',
    labelSelector: '{service_name="shop"}',
    start: String(fromMs),
    end: String(toMs),
  });
  const response = await fetch(`${url}/querier.v1.QuerierService/SelectMergeStacktraces`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...TENANT },
    body,
  });
  const answer = (await response.json()) as { flamegraph?: { total?: string }; message?: string };
  if (!response.ok) throw new Error(answer.message);
  expect(response.headers.get('x-kiln-partial')).toBe(null);
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

  const DAY = 86_400_000;
  /** Noon, some days ago. */
  const noon = (daysAgo: number): number => Math.floor(Date.now() / DAY - daysAgo) * DAY + DAY / 2;
  const onDay = (url: string, daysAgo: number): Promise<bigint> =>
    total(url, noon(daysAgo) - DAY / 2, noon(daysAgo) + DAY / 2 - 1);

  /** A round at once, as `kiln compact --now` has it. */
  async function compact(url: string): Promise<{ jobs: number; blocks: number; troubles: string[] }> {
    const response = await fetch(`${url}/api/v1/operator/compact`, { method: 'POST' });
    return (await response.json()) as { jobs: number; blocks: number; troubles: string[] };
  }

  async function until(what: string, isSo: () => Promise<boolean>): Promise<void> {
    for (let i = 0; i < 150; i++) {
      if (await isSo()) return;
      await sleep(100);
    }
    throw new Error(`it did not come to this: ${what}`);
  }

  const metric = async (url: string, name: string): Promise<number> => {
    const text = await (await fetch(`${url}/metrics`)).text();
    const lines = text.split('\n').filter((line) => line.startsWith(name) && ' {'.includes(line[name.length]!));
    return lines.reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0);
  };

  async function segmentBytes(dataDir: string): Promise<number> {
    const names = await readdir(join(dataDir, 'objects/log'), { recursive: true });
    const segments = names.filter((name) => name.includes('/s/'));
    const sizes = await Promise.all(
      segments.map(async (name) => (await stat(join(dataDir, 'objects/log', name))).size),
    );
    return sizes.reduce((sum, size) => sum + size, 0);
  }

  const fill = (path: string, ...args: string[]): void =>
    void spawnSync('dd', ['if=/dev/zero', `of=${path}`, 'bs=4k', ...args]);

  const expectWhole = (dataDir: string): void => {
    const { status, stdout, stderr } = spawnSync(process.execPath, [kilnMain, 'verify', '--data-dir', dataDir]);
    expect([status, String(stdout) + String(stderr)]).toEqual([0, expect.any(String)]);
  };

  test.each([
    ['under a process', false],
    ['before a start, after a kill', true],
  ])(
    'full to the last byte, %s, when the oldest is to go: it goes, pushes are taken again, what remains is exact',
    async (_, isKilled) => {
      const disk = join(dir, 'disk');
      await mkdir(disk);
      mount('-t', 'tmpfs', '-o', 'size=32m', 'tmpfs', disk);
      const dataDir = join(disk, 'data');
      const flags = [
        '--storage.when-full=oldest-goes',
        '--validation.reject-older-than=0',
        '--ingester.cut-max-age=300ms',
        '--compactor.interval=500ms',
      ];
      let kiln = await start(dataDir, flags);
      for (let day = 6; day >= 1; day--)
        expect((await pushAt(kiln.url, noon(day), 2n ** BigInt(day), bulkyFrames())).status).toBe(200);
      await until('a block of each day', async () => {
        await compact(kiln.url);
        return (await metric(kiln.url, 'kiln_compactor_live_blocks')) >= 6 + 2; // two of the neighbours
      });
      expect(await metric(kiln.url, 'kiln_compactor_reserve_bytes')).toBe(512 * 1024);

      if (isKilled) await kiln.kill();
      fill(join(disk, 'filler'));
      if (isKilled) {
        kiln = await startKiln({ dataDir, flags: [manyTenants, ...flags] });
        running.push({ kiln, neighbours: neighboursOf.get(dataDir)! });
      }
      await until('the oldest is gone', async () => (await onDay(kiln.url, 6)) === 0n);
      await until('pushes are taken again', async () => (await push(kiln.url, 1n)).status === 200);
      await until('room is held again', async () => (await metric(kiln.url, 'kiln_compactor_reserve_bytes')) > 0);
      const told = isKilled ? 'no room is held' : 'the reserve was released';
      expect(kiln.output()).toContain(told);
      expect(kiln.output()).toMatch(/the oldest blocks of a tenant were deleted/);
      const days = await Promise.all([6, 5, 4, 3, 2, 1].map((day) => onDay(kiln.url, day)));
      const kept = days.filter((sum) => sum > 0n);
      expect(days).toEqual([...days.map(() => 0n), ...[64n, 32n, 16n, 8n, 4n, 2n].slice(-kept.length)].slice(-6));
      expect(kept.length).toBeGreaterThan(0);
      expect(kept.length).toBeLessThan(6);
      await totalBecomes(kiln.url, 1n);
      expect(await total(kiln.url, noon(7), Date.now() + 600_000)).toBe(kept.reduce((sum, one) => sum + one, 1n));
      await kiln.stop();
      expectWhole(dataDir);
    },
  );

  test('that fills during a compaction: the round says so, answers stay whole, and the next one compacts when there is room', async () => {
    const disk = join(dir, 'disk');
    await mkdir(disk);
    mount('-t', 'tmpfs', '-o', 'size=32m', 'tmpfs', disk);
    const dataDir = join(disk, 'data');
    const flags = ['--validation.reject-older-than=0', '--ingester.cut-max-age=300ms', '--compactor.interval=1h'];
    const kiln = await start(dataDir, flags);
    for (let day = 6; day >= 1; day--)
      expect((await pushAt(kiln.url, noon(day), 2n ** BigInt(day), bulkyFrames())).status).toBe(200);
    await until('all is cut', async () => (await segmentBytes(dataDir)) > 6 * 100 * 6 * 1024);
    const whole = (): Promise<bigint> => total(kiln.url, noon(7), Date.now() + 600_000);
    expect(await whole()).toBe(126n);

    // Room for some of the blocks.
    const { bavail, bsize } = await statfs(disk);
    fill(join(disk, 'filler'), `count=${Math.floor((bavail * bsize - 2_000_000) / 4096)}`);
    let isOver = false;
    const answers: Promise<bigint>[] = [];
    const round = compact(kiln.url).finally(() => (isOver = true));
    while (!isOver) {
      answers.push(whole());
      await sleep(50);
    }
    const { troubles } = await round;
    expect(troubles).toContainEqual(expect.stringMatching(/^tenant shop, compact: the disk under .* is full/));
    expect(await metric(kiln.url, 'kiln_compactor_jobs_total{kind="compact",outcome="failed"}')).toBeGreaterThan(0);
    expect(await metric(kiln.url, 'kiln_compactor_uncompacted_bytes')).toBeGreaterThan(0);
    for (const answer of answers) expect(await answer).toBe(126n);
    // The failed job has left nothing.
    const left = await statfs(disk);
    expect(left.bavail * left.bsize).toBeGreaterThan(1_900_000);

    fill(join(disk, 'second-filler'));
    expect((await compact(kiln.url)).troubles).toEqual([
      expect.stringMatching(/^compaction waits: the disk of the data directory is full: the \d+ bytes that are left/),
    ]);
    expect(await metric(kiln.url, 'kiln_compactor_reserve_bytes')).toBe(0);
    expect(await whole()).toBe(126n);

    for (const name of ['filler', 'second-filler']) await rm(join(disk, name));
    expect((await compact(kiln.url)).troubles).toEqual([]);
    expect(await metric(kiln.url, 'kiln_compactor_uncompacted_bytes')).toBe(0);
    expect(await whole()).toBe(126n);
    expect(await metric(kiln.url, 'kiln_compactor_reserve_bytes')).toBe(512 * 1024);
    await kiln.stop();
    expectWhole(dataDir);
  });

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
