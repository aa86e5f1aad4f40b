import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { homedir, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Oracle, readPprof, readPush } from '../oracle/index.ts';
import { query } from '../support/http-client.ts';
import { kilnIsBuilt, kilnMain, startKiln, type RunningKiln } from '../support/kiln-process.ts';
import { findLeaks } from '../support/markers.ts';
import { requireService } from '../support/services.ts';
import { recordingProxy, type Recorded, type RecordingProxy } from './recording-proxy.ts';

const repository = resolve(import.meta.dirname, '../..');
const clients = process.env['KILN_CLIENTS'] ?? resolve(repository, '../shared/clients');
const cache = process.env['KILN_CLIENTS_CACHE'] ?? join(homedir(), '.cache/kiln-clients');
const SECONDS = 26;
const ready =
  requireService('kiln', kilnIsBuilt(), `${kilnMain} is not built`) &&
  requireService(
    'SDK programs',
    existsSync(join(clients, 'README.md')),
    `${clients} is missing (KILN_CLIENTS names another folder)`,
  );

/** A program with an SDK, unchanged: `run.sh URL SECONDS`. Each client is a tenant of its own. */
const programs = [
  {
    client: 'python',
    tenant: 'py-tenant',
    app: 'hot-python',
    hot: 'hot_loop',
    cold: 'cold_loop',
    kind: 'process_cpu:cpu:nanoseconds:cpu:nanoseconds',
  },
  {
    client: 'go',
    tenant: 'go-tenant',
    app: 'hot-go',
    hot: 'main.hotLoop',
    cold: 'main.coldLoop',
    kind: 'process_cpu:cpu:nanoseconds:cpu:nanoseconds',
  },
] as const;
type Program = (typeof programs)[number];

const TEN_MS = 10_000_000n;

describe.skipIf(!ready)('real SDKs, unchanged', { timeout: 300_000 }, () => {
  let dir = '';
  let kiln: RunningKiln;
  let proxy: RecordingProxy;
  const startedMs = Date.now();

  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'kiln-sdk-'));
    kiln = await startKiln({
      dataDir: join(dir, 'data'),
      flags: ['--auth.multitenancy-enabled=true', '--ingester.cut-max-age=10s'],
    });
    proxy = await recordingProxy(kiln.url);
    await Promise.all(
      programs.map(({ client, tenant }) => run(join(clients, client, 'run.sh'), [proxy.url, String(SECONDS)], tenant)),
    );
    await sleep(1_500);
  }, 600_000);

  afterAll(async () => {
    proxy.close();
    await kiln.stop();
    await rm(dir, { recursive: true, force: true });
  });

  test.each(programs)(
    '$client: four fifths of the CPU are in the hot loop, also where it is tagged',
    async (program) => {
      for (const selector of [
        `{service_name="${program.app}"}`,
        `{service_name="${program.app}",controller="tagged"}`,
      ]) {
        const { hot, cold, all } = await shares(kiln.url, program, selector);
        // 100 samples of 10 ms each.
        expect(all / TEN_MS).toBeGreaterThanOrEqual(100n);
        const share = Number(hot) / Number(hot + cold);
        expect(share, `${selector}: hot ${hot}, cold ${cold}`).toBeGreaterThanOrEqual(0.7);
        expect(share, `${selector}: hot ${hot}, cold ${cold}`).toBeLessThanOrEqual(0.9);
      }
    },
  );

  test.each(programs)(
    '$client: of every kind, what is stored is what the client was seen to send',
    async ({ tenant }) => {
      const sent = proxy.requests.filter(({ headers }) => headers['x-scope-orgid'] === tenant);
      expect(sent.length).toBeGreaterThan(1);
      expect(sent.map(({ status }) => status)).toEqual(sent.map(() => 200));
      const wanted = sumsOf(sent, tenant);
      expect(wanted.size).toBeGreaterThan(0);
      const stored = new Map<string, bigint>();
      for (const type of wanted.keys()) stored.set(type, await storedSum(kiln.url, tenant, type, '{}', startedMs));
      expect(stored).toEqual(wanted);
      const types = (await query(kiln.url, 'ProfileTypes', {}, { tenant, json: true }))['profileTypes'] as {
        ID: string;
      }[];
      expect(types.map(({ ID }) => ID)).toEqual([...wanted.keys()].toSorted());
    },
  );

  test('no tenant sees the other', async () => {
    for (const [asked, other] of [programs, programs.toReversed()] as (readonly [Program, Program])[]) {
      const names = await functionNames(kiln.url, asked.tenant, asked.kind, startedMs);
      expect(names).toContain(asked.hot);
      expect(names).not.toContain(other.hot);
      expect(await storedSum(kiln.url, asked.tenant, other.kind, `{service_name="${other.app}"}`, startedMs)).toBe(0n);
    }
    expect(kiln.output()).not.toMatch(/hot_loop|hotLoop/);
    const markers = programs.map(({ tenant, hot }) => ({ tenant, word: hot }));
    expect(await findLeaks(join(dir, 'data'), markers)).toEqual([]);
  });

  test('README’s lines for Python and Go are lines that work', async () => {
    const readme = await readFile(join(repository, 'README.md'), 'utf8');
    const address = 'http://127.0.0.1:4040';
    const block = (language: string): string => {
      const [, code] = new RegExp(`\`\`\`${language}\\n([\\s\\S]*?)\`\`\``).exec(readme)!;
      expect(code).toContain(address);
      return code!.replace(address, kiln.url).replace('my-app', `readme-${language}`);
    };
    const [python, go] = [block('python'), block('go')];

    const script = join(dir, 'readme.py');
    const burn =
      'import time\nend = time.monotonic() + 14\nwhile time.monotonic() < end:\n    sum(i * i for i in range(10000))\npyroscope.shutdown()\n';
    await writeFile(script, `${python}\n${burn}`);

    // Go's SDK sends CPU every 15 s, and its ticker may start a moment before its profile: then the first tick is skipped.
    const [imported, ...start] = go.trim().split('\n\n');
    const goDir = join(dir, 'readme-go');
    for (const file of ['go.mod', 'go.sum']) await cp(join(clients, 'go', file), join(goDir, file));
    const main = `package main\n\nimport "time"\n${imported}\n\nfunc main() {\n${start.join('\n\n')}\n\tx := 0\n\tfor end := time.Now().Add(33 * time.Second); time.Now().Before(end); {\n\t\tx += x*31 + 1\n\t}\n\tprintln(x)\n}\n`;
    await writeFile(join(goDir, 'main.go'), main);

    // README's reader has no tenant, so this runs against a server of its own, as README starts it.
    const plain = await startKiln({ dataDir: join(dir, 'plain') });
    try {
      await writeFile(script, (await readFile(script, 'utf8')).replace(kiln.url, plain.url));
      await writeFile(join(goDir, 'main.go'), main.replace(kiln.url, plain.url));
      await Promise.all([
        run(join(cache, 'python-current/bin/python'), [script]),
        run('go', ['build', '-mod=mod', '-o', 'hot', '.'], undefined, goDir).then(() => run(join(goDir, 'hot'), [])),
      ]);
      await sleep(1_000);
      for (const language of ['python', 'go']) {
        const selector = `{service_name="readme-${language}",region="eu"}`;
        const sum = await storedSum(
          plain.url,
          undefined,
          'process_cpu:cpu:nanoseconds:cpu:nanoseconds',
          selector,
          startedMs,
        );
        expect([language, sum > 100n * TEN_MS]).toEqual([language, true]);
      }
    } finally {
      await plain.stop();
    }
  });
});

/** What the recorded requests hold, by the oracle's reading: exact sums by profile type. */
function sumsOf(sent: readonly Recorded[], tenant: string): Map<string, bigint> {
  const oracle = new Oracle();
  for (const { url, headers, body, receivedMs } of sent) {
    const plain = headers['content-encoding'] === 'gzip' ? gunzipSync(body) : body;
    const [path, search] = url.split('?') as [string, string | undefined];
    const verdicts = path.endsWith('/Push')
      ? readPush(plain).flatMap(({ labels, samples }) =>
          samples.map(({ profile, id }) => oracle.push({ tenant, labels, pprofBytes: profile, receivedMs, id })),
        )
      : [
          oracle.ingest({
            tenant,
            query: Object.fromEntries(new URLSearchParams(search)),
            contentType: headers['content-type'] ?? '',
            body: plain,
            receivedMs,
          }),
        ];
    for (const verdict of verdicts) expect(verdict).toHaveProperty('stored');
  }
  return oracle.totals(tenant);
}

function range(startedMs: number): { start: string; end: string } {
  return { start: String(startedMs - 120_000), end: String(Date.now() + 60_000) };
}

async function merged(
  url: string,
  tenant: string | undefined,
  type: string,
  selector: string,
  startedMs: number,
): Promise<ReturnType<typeof readPprof>> {
  const request = { profileTypeID: type, labelSelector: selector, ...range(startedMs) };
  const { profile } = await query(url, 'SelectMergeProfile', request, { tenant });
  return readPprof(profile as Uint8Array);
}

async function storedSum(
  url: string,
  tenant: string | undefined,
  type: string,
  selector: string,
  startedMs: number,
): Promise<bigint> {
  const profile = await merged(url, tenant, type, selector, startedMs);
  return profile.sample.reduce((sum, { value }) => sum + value[0]!, 0n);
}

async function functionNames(url: string, tenant: string, type: string, startedMs: number): Promise<string[]> {
  const profile = await merged(url, tenant, type, '{}', startedMs);
  return profile.function.map(({ name }) => Buffer.from(profile.stringTable[Number(name)]!).toString());
}

/** Cumulative values of the two loops, and of all. */
async function shares(
  url: string,
  { tenant, hot, cold, kind }: Program,
  selector: string,
): Promise<{ hot: bigint; cold: bigint; all: bigint }> {
  const profile = await merged(url, tenant, kind, selector, Date.now() - 180_000);
  const nameOf = new Map(
    profile.function.map(({ id, name }) => [String(id), Buffer.from(profile.stringTable[Number(name)]!).toString()]),
  );
  const linesOf = new Map(
    profile.location.map(({ id, line }) => [String(id), line.map(({ functionId }) => nameOf.get(String(functionId))!)]),
  );
  const sums = { hot: 0n, cold: 0n, all: 0n };
  for (const { locationId, value } of profile.sample) {
    const names = locationId.flatMap((id) => linesOf.get(String(id)) ?? []);
    sums.all += value[0]!;
    if (names.includes(hot)) sums.hot += value[0]!;
    else if (names.includes(cold)) sums.cold += value[0]!;
  }
  return sums;
}

function run(command: string, args: readonly string[], tenant?: string, cwd?: string): Promise<void> {
  return new Promise((done, fail) => {
    const env = tenant === undefined ? process.env : { ...process.env, PYROSCOPE_TENANT_ID: tenant };
    const child = spawn(command, args, {
      stdio: ['ignore', 'pipe', 'pipe'],
      env,
      ...(cwd === undefined ? {} : { cwd }),
    });
    let output = '';
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (chunk: Buffer) => (output += chunk.toString()));
    child.on('error', fail);
    child.on('exit', (code) =>
      code === 0 ? done() : fail(new Error(`${command} ended with ${code}:\n${output.slice(-4_000)}`)),
    );
  });
}
