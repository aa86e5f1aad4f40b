import { seededRandom, type Random } from '@kiln/async';
import { MemoryDisk } from '@kiln/disk';
import { KilnError, type TenantId } from '@kiln/model';
import { openDirectoryStore, type ObjectStore } from '@kiln/objstore';
import { openFileLog, type OpenLog, type PartitionLog } from '@kiln/partition-log';
import { setImmediate } from 'node:timers/promises';
import { crc32 } from 'node:zlib';
import { expect, test } from 'vitest';
import { recordOf } from './test-support/records.ts';
import { ANN, BOB, marked, Rig } from './test-support/rig.ts';

/** What must be readable: per tenant, the value of every mark. Filled from what was acknowledged; the judge of everything below. */
type Judge = Map<TenantId, Map<string, number>>;

const STEPS = ['before-segment', 'after-segment', 'after-manifest', 'after-chain', 'after-drop', undefined, undefined];
const SECRET = { ann: 'annsecret', bob: 'bobsecret' };

/** The real file log and object directory over one disk that forgets what was not synced. */
async function openDisk(disk: MemoryDisk, random: Random): Promise<{ log: PartitionLog; store: ObjectStore }> {
  const clock = { nowMs: (): number => 1_700_000_000_000, sleep: (): Promise<void> => setImmediate() };
  const log = await openFileLog({ disk, root: '/data/log', partitions: 1, clock, crc32, random, segmentBytes: 4_000 });
  return { log, store: await openDirectoryStore({ disk, root: '/data/objects' }) };
}

for (const kind of ['kill', 'power loss'] as const) {
  test(`${kind} at any moment: what was acknowledged is there once, retries included, and tenants stay apart`, async () => {
    for (let seed = 1; seed <= 12; seed++) await live(seed, kind);
  }, 60_000);
}

async function live(seed: number, kind: 'kill' | 'power loss'): Promise<void> {
  const random = seededRandom(seed);
  const judge: Judge = new Map([
    [ANN, new Map()],
    [BOB, new Map()],
  ]);
  /** Sent and not acknowledged: they may be there or not. */
  const open = new Map<string, { tenant: TenantId; mark: string; value: number }>();
  const sent: { tenant: TenantId; mark: string; value: number }[] = [];
  let disk = new MemoryDisk({ random });
  for (let life = 0; life < 6; life++) {
    const { log, store } = await openDisk(disk, random);
    const opened = await log.open(0);
    const rig = await Rig.open({ log: opened, store, cuts: { maxAgeMs: 1_000, maxLogBytes: 2_500 } });
    rig.start(STEPS[Math.floor(random() * STEPS.length)]);
    for (let i = 0; i < 25 && !rig.dead; i++) {
      await act(rig, opened, random, judge, open, sent);
    }
    if (!rig.dead && life % 2 === 0) await check(rig, judge, open, `seed ${seed}, life ${life}`);
    rig.kill();
    disk = kind === 'kill' ? disk.restart() : disk.crash(random);
  }
  const { log, store } = await openDisk(disk, random);
  const rig = await Rig.open({ log: await log.open(0), store });
  rig.start();
  await check(rig, judge, open, `seed ${seed}, at the end`);
  for (const { tenant, mark, value } of sent) await rig.push(tenant, drawing(tenant, mark, value));
  for (const { tenant, mark, value } of sent) judge.get(tenant)!.set(mark, value);
  open.clear();
  await check(rig, judge, open, `seed ${seed}, everything sent once more`);
  const manifests = await rig.manifests();
  manifests.forEach(({ start }, i) => expect(start).toBe(i === 0 ? -1 : manifests[i - 1]!.end));
  rig.kill();
  await log[Symbol.asyncDispose]();
}

async function act(
  rig: Rig,
  log: OpenLog,
  random: Random,
  judge: Judge,
  open: Map<string, { tenant: TenantId; mark: string; value: number }>,
  sent: { tenant: TenantId; mark: string; value: number }[],
): Promise<void> {
  const dice = random();
  if (dice < 0.15) await rig.clock.advance(Math.floor(random() * 1_500));
  if (dice < 0.3) {
    await setImmediate();
    return;
  }
  const retried = dice < 0.5 && sent.length > 0 ? sent[Math.floor(random() * sent.length)] : undefined;
  const push = retried ?? fresh(sent.length, random);
  if (retried === undefined) sent.push(push);
  const { tenant, mark, value } = push;
  if (!judge.get(tenant)!.has(mark)) open.set(mark, push);
  try {
    await Promise.race([log.append(recordOf(tenant, [drawing(tenant, mark, value)])), untilDead(rig)]);
  } catch (error) {
    if (error instanceof KilnError) return;
    throw error;
  }
  if (rig.dead) return;
  judge.get(tenant)!.set(mark, value);
  open.delete(mark);
}

function fresh(n: number, random: Random): { tenant: TenantId; mark: string; value: number } {
  return { tenant: random() < 0.5 ? ANN : BOB, mark: `m${n}`, value: 1 + Math.floor(random() * 1e6) };
}

function drawing(tenant: TenantId, mark: string, value: number): ReturnType<typeof marked> {
  const secret = SECRET[tenant as 'ann' | 'bob'];
  return marked(mark, value, { groups: [{ samples: { [`main;${secret};${mark}`]: [value] } }] });
}

async function untilDead(rig: Rig): Promise<void> {
  while (!rig.dead) await setImmediate();
}

async function check(
  rig: Rig,
  judge: Judge,
  open: ReadonlyMap<string, { tenant: TenantId; mark: string; value: number }>,
  where: string,
): Promise<void> {
  await Promise.race([rig.caughtUp(), untilDead(rig)]);
  if (rig.dead) return;
  const ends = [-1, ...(await rig.manifests()).map(({ end }) => end)];
  for (const [tenant, marks] of judge) {
    const { sums, gaps } = await rig.read(tenant);
    expect(gaps, where).toEqual([]);
    for (const [mark, { tenant: owner, value }] of open) {
      if (owner === tenant && sums[mark] !== undefined) expect(sums[mark], `${where}: ${mark}`).toBe(value);
      if (owner === tenant) delete sums[mark];
    }
    expect(sums, where).toEqual(Object.fromEntries(marks));
    await checkSplit(rig, tenant, ends, where);
    const other = SECRET[tenant === ANN ? 'bob' : 'ann'];
    const answer = await rig.partition.answer({
      tenant,
      query: { kind: 'pprof', maxNodes: 0, ...EVERYTHING },
      from: -1,
      upTo: -1,
    });
    expect(Buffer.from(answer.partial).toString('latin1'), where).not.toContain(other);
  }
}

const EVERYTHING = {
  profileType: 'process_cpu:cpu:nanoseconds:cpu:nanoseconds',
  selector: '{}',
  startMs: 0,
  endMs: 2e12,
};

/** What lies above a mark and what lies up to it make the whole, whatever the mark. */
async function checkSplit(rig: Rig, tenant: TenantId, ends: readonly number[], where: string): Promise<void> {
  const all = (await rig.read(tenant)).sums;
  let before = Object.keys(all).length;
  for (const end of ends) {
    const above = (await rig.read(tenant, end)).sums;
    for (const [mark, value] of Object.entries(above)) expect(value, `${where}: ${mark} above ${end}`).toBe(all[mark]);
    expect(Object.keys(above).length, where).toBeLessThanOrEqual(before);
    before = Object.keys(above).length;
  }
}
