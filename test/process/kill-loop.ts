import { glob, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { crc32 } from 'node:zlib';
import { realDisk } from '@kiln/disk';
import { inspectFileLog } from '@kiln/partition-log';
import { startKiln, type RunningKiln } from '../support/kiln-process.ts';
import { findLeaks } from '../support/markers.ts';
import { pushRequest, tinyPprof } from './tiny-pprof.ts';

/** What a run of the loop saw. */
export interface KillReport {
  readonly kills: number;
  /** Cut objects whose manifests were committed, seen on disk at the end. */
  readonly cuts: number;
  /** Blocks that there are at the end. */
  readonly blocks: number;
  readonly acknowledged: number;
  /** First try before a kill, answered by a later process. */
  readonly retriedAfterCrash: number;
  /** Sent and acknowledged again after a cut had put the first send into an object. */
  readonly retriedAfterCut: number;
  readonly checks: number;
  /** Sentences; empty when every promise held. */
  readonly wrong: readonly string[];
}

export interface KillLoopOptions {
  readonly kills: number;
  readonly random: () => number;
  readonly say: (line: string) => void;
}

const TYPE = 'process_cpu:cpu:nanoseconds::';
const TENANTS = ['alpha', 'beta'];
const SERVICES = ['checkout', 'search', 'billing'];
const CLIENTS = 4;
const CHECK_EVERY = 10;

/** One profile that a client keeps sending until it is acknowledged. */
interface Sent {
  readonly tenant: string;
  readonly service: string;
  readonly body: Uint8Array;
  readonly value: bigint;
  readonly firstTry: number;
  /** Where the logs ended at the latest when it was first acknowledged. */
  readonly ends: LogEnds;
}

/**
 * SIGKILLs a server at random moments while clients push and retry, then asks whether every acknowledged profile is there exactly once:
 * per tenant and service the sum of a query must equal the ledger's, to the unit. Powers of one number never hide a doubled row behind a lost one,
 * because every value is a fresh random number below 2^40.
 */
export async function killLoop({ kills, random, say }: KillLoopOptions): Promise<KillReport> {
  const dataDir = await mkdtemp(join(tmpdir(), 'kiln-kill-'));
  // Whatever is cut is soon compacted and merged, so that kills hit that as well.
  const flags = [
    '--auth.multitenancy-enabled=true',
    '--ingester.cut-max-age=2s',
    '--compactor.interval=300ms',
    '--compactor.first-window=10s',
    '--compactor.second-window=60s',
    '--compactor.max-job-bytes=2KiB',
  ];
  const ledger = new Map<string, bigint>();
  const old: Sent[] = [];
  const wrong: string[] = [];
  const state = { life: 0, paused: false, stopped: false, acknowledged: 0, afterCrash: 0, afterCut: 0, idle: 0 };
  let kiln: RunningKiln = await startKiln({ timeoutMs: 120_000, dataDir, flags });
  const started = Date.now();

  const post = async (sent: Sent): Promise<boolean> => {
    try {
      const response = await fetch(`${kiln.url}/push.v1.PusherService/Push`, {
        method: 'POST',
        headers: { 'Content-Type': 'application/proto', 'X-Scope-OrgID': sent.tenant },
        body: sent.body,
        signal: AbortSignal.timeout(10_000),
      });
      const text = await response.text();
      if (response.status === 400) wrong.push(`a good push was refused: ${text}`);
      return response.status === 200;
    } catch {
      return false;
    }
  };

  const client = async (): Promise<void> => {
    while (!state.stopped) {
      if (state.paused) {
        state.idle++;
        while (state.paused) await sleep(5);
        state.idle--;
        continue;
      }
      const again = old.length > 0 && random() < 0.2 ? old.splice(Math.floor(random() * old.length), 1)[0]! : undefined;
      const sent = again ?? makeSend(random, state.life);
      const wasCut = again !== undefined && (await isCut(dataDir, again.ends));
      while (!(await post(sent))) {
        if (state.stopped) return;
        await sleep(20 + random() * 50);
      }
      if (again !== undefined) {
        if (wasCut) state.afterCut++;
        continue;
      }
      state.acknowledged++;
      if (state.life !== sent.firstTry) state.afterCrash++;
      const key = `${sent.tenant}/${sent.service}`;
      ledger.set(key, (ledger.get(key) ?? 0n) + sent.value);
      // A file may go while it is looked at: then this one is not sent again.
      const ends = random() < 0.3 ? await endsOf(dataDir).catch(() => undefined) : undefined;
      if (ends !== undefined) old.push({ ...sent, ends });
      if (random() < 0.5) await sleep(random() * 20);
    }
  };

  const check = async (): Promise<void> => {
    state.paused = true;
    while (state.idle < CLIENTS) await sleep(10);
    for (const tenant of TENANTS) {
      for (const service of SERVICES) {
        const want = ledger.get(`${tenant}/${service}`) ?? 0n;
        let found = await total(kiln.url, tenant, service, started);
        // Acknowledged is durable; readable follows within moments.
        for (let i = 0; i < 100 && found !== want; i++) {
          await sleep(50);
          found = await total(kiln.url, tenant, service, started);
        }
        if (found !== want)
          wrong.push(`${tenant}/${service}: acknowledged ${want}, found ${found} after ${state.life} kills`);
      }
    }
    state.paused = false;
  };

  const clients = Array.from({ length: CLIENTS }, client);
  let checks = 0;
  try {
    while (state.life < kills && wrong.length === 0) {
      // Half of the lives are too short for a cut, half just long enough for one to be under way.
      await sleep(random() < 0.5 ? random() * 800 : 1_900 + random() * 1_000);
      await kiln.kill();
      state.life++;
      kiln = await startKiln({ timeoutMs: 120_000, dataDir, flags });
      if (state.life % CHECK_EVERY === 0 || state.life === kills) {
        await check();
        checks++;
        say(
          `${state.life} kills, ${state.acknowledged} acknowledged, ${state.afterCrash} answered after a crash, ${state.afterCut} after a cut`,
        );
      }
    }
    state.stopped = true;
    await Promise.all(clients);
    wrong.push(
      ...(await findLeaks(
        dataDir,
        TENANTS.map((tenant) => ({ tenant, word: `main_${tenant}` })),
      )),
    );
    return {
      kills: state.life,
      cuts: await countFiles(dataDir, 'objects/log/*/m/*'),
      blocks: await countFiles(dataDir, 'objects/tenants/*/b/*'),
      acknowledged: state.acknowledged,
      retriedAfterCrash: state.afterCrash,
      retriedAfterCut: state.afterCut,
      checks,
      wrong,
    };
  } finally {
    state.stopped = true;
    state.paused = false;
    await kiln.stop();
    await rm(dataDir, { recursive: true, force: true });
  }
}

function makeSend(random: () => number, life: number): Sent {
  const tenant = TENANTS[Math.floor(random() * TENANTS.length)]!;
  const service = SERVICES[Math.floor(random() * SERVICES.length)]!;
  const values = Array.from({ length: 3 }, () => BigInt(Math.floor(random() * 2 ** 40)) + 1n);
  const profile = tinyPprof({
    type: 'cpu',
    unit: 'nanoseconds',
    // Sub-second and its own: the profile identifies itself.
    timeNanos: BigInt(Date.now()) * 1_000_000n + BigInt(Math.floor(random() * 999_998)) + 1n,
    stacks: values.map((value, i) => ({ frames: [`leaf${i}_${tenant}`, `main_${tenant}`], value })),
  });
  const body = pushRequest([
    {
      labels: { __name__: 'process_cpu', service_name: service, pod: `p${Math.floor(random() * 5)}` },
      profiles: [profile],
    },
  ]);
  return { tenant, service, body, value: values.reduce((a, b) => a + b, 0n), firstTry: life, ends: new Map() };
}

async function total(url: string, tenant: string, service: string, startMs: number): Promise<bigint> {
  const response = await fetch(`${url}/querier.v1.QuerierService/SelectMergeStacktraces`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', 'X-Scope-OrgID': tenant },
    body: JSON.stringify({
      profileTypeID: TYPE,
      labelSelector: `{service_name="${service}"}`,
      start: String(startMs - 60_000),
      end: String(Date.now() + 60_000),
    }),
  });
  const body = (await response.json()) as { flamegraph?: { total?: string; names: string[] }; message?: string };
  if (!response.ok) throw new Error(`query failed: ${response.status} ${body.message}`);
  const foreign = TENANTS.filter((other) => other !== tenant);
  for (const name of body.flamegraph?.names ?? []) {
    if (foreign.some((other) => name.includes(other))) throw new Error(`answer of ${tenant} names ${name}`);
  }
  return BigInt(body.flamegraph?.total ?? '0');
}

/** The last offset of each log. */
type LogEnds = ReadonlyMap<string, number>;

async function endsOf(dataDir: string): Promise<LogEnds> {
  const ends = new Map<string, number>();
  for await (const { logId, endOffset } of inspectFileLog({ disk: realDisk(), root: join(dataDir, 'log'), crc32 }))
    ends.set(logId, endOffset);
  return ends;
}

/** Whether the manifests on disk have passed all that the logs held then. */
async function isCut(dataDir: string, ends: LogEnds): Promise<boolean> {
  for (const [log, end] of ends) if ((await committedOf(dataDir, log)) < end) return false;
  return ends.size > 0;
}

/** The last offset that is in an object, -1 when there is none. */
async function committedOf(dataDir: string, log: string): Promise<number> {
  const folder = join(dataDir, 'objects/log', log, 'm');
  const names: string[] = await readdir(folder).catch(() => []);
  const newest = names.toSorted().at(-1);
  if (newest === undefined) return -1;
  const [line] = (await readFile(join(folder, newest), 'utf8')).split('\n');
  return (JSON.parse(line!) as { end: number }).end;
}

async function countFiles(dataDir: string, pattern: string): Promise<number> {
  let files = 0;
  for await (const _ of glob(pattern, { cwd: dataDir })) files++;
  return files;
}
