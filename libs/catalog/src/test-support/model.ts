import { ManualClock, seededRandom, type Random } from '@kiln/async';
import { makeLogId, type TenantId } from '@kiln/model';
import type { Catalog } from '../catalog.ts';
import { readChain, type Chain } from '../chain.ts';
import { compareAndSet } from '../compare-and-set.ts';
import { commitCut, type Segment } from '../cut.ts';
import { manifestKey, trimKey } from '../keys.ts';
import { logTrim, registeredLog, withLog, type LogTrim } from '../log-trim.ts';
import { decodeManifest, type Manifest } from '../manifest.ts';
import { registerLog } from '../register-log.ts';
import { MapStore, testCatalog, troubled } from './store.ts';

/** What happened in one run, to see that the runs were worth something. */
export interface ModelReport {
  cuts: number;
  lostRaces: number;
  crashes: number;
  trims: number;
  /** Manifests put anew below `trim.seq` by somebody who slept. */
  voids: number;
}

const log = makeLogId('c'.repeat(32), 1);
const HOUR = 3_600_000;

/**
 * Two owners of one log, a janitor that deletes without delay and an observer, on a store that loses answers and lands writes late. Between any
 * two steps a process may sleep for hours or die. Every chain that anybody believes goes into one ledger: it must tile the offsets, and every
 * row must lie in exactly one believed segment or in a head. Everything random comes from `seed`.
 * @throws Error saying which promise was broken.
 */
export async function runModel(seed: number, rounds = 12): Promise<ModelReport> {
  return new Model(seed).run(rounds);
}

class Model {
  readonly #clock = new ManualClock(1_700_000_000_000);
  readonly #store = new MapStore();
  readonly #random: Random;
  readonly #report: ModelReport = { cuts: 0, lostRaces: 0, crashes: 0, trims: 0, voids: 0 };
  /** Believed manifests by seq. */
  readonly #ledger: Manifest[] = [];
  /** The log's end: offsets 0 to `#end` were appended. */
  #end = -1;
  #over = false;
  #names = 0;
  readonly #line: Catalog['objects'];

  constructor(seed: number) {
    this.#random = seededRandom(seed);
    // A seed is calm or wild, and its processes sleep short or long, so that every mixture comes up.
    const wild = this.#chance(0.7) ? this.#random() * 0.2 : 0;
    const sleepy = this.#random() * 0.1;
    this.#line = troubled(this.#store, this.#clock, this.#random, {
      afterWrite: () => this.#checkKept(),
      errorBefore: wild / 2,
      errorAfter: wild,
      late: wild / 2,
      delayMs: () => (this.#chance(sleepy) ? this.#random() * HOUR : this.#random() * 20),
      lateMs: () => (this.#chance(0.5) ? this.#random() * 100 : this.#random() * 3 * HOUR),
    });
  }

  async run(rounds: number): Promise<ModelReport> {
    const clock = this.#clock;
    await clock.run(registerLog(this.#catalog(), { log, partition: 1 }, {}));
    const work = Promise.all([this.#life(rounds), this.#life(rounds), this.#janitor()]);
    await clock.run(
      Promise.race([work, clock.sleep(1e12).then(() => Promise.reject(new Error('the model did not end')))]),
    );
    await this.#lastLook();
    return this.#report;
  }

  #catalog(): Catalog {
    return testCatalog(this.#line, Math.floor(this.#random() * 2 ** 32), this.#clock);
  }

  #chance(probability: number): boolean {
    return this.#random() < probability;
  }

  /** One owner after the other, each until it dies. The last one ends alive. */
  async #life(rounds: number): Promise<void> {
    for (let left = rounds; left > 0;) left -= await this.#owner(left);
    this.#over = true;
  }

  /** OPEN, then consume and cut; resolves with the cuts it tried when it is done or dead. */
  async #owner(rounds: number): Promise<number> {
    const catalog = this.#catalog();
    const writer = `owner ${++this.#names}`;
    let chain = await this.#believed(catalog);
    let head = chain.E;
    for (let round = 1; round <= rounds; round++) {
      await this.#clock.sleep(this.#random() * 1000);
      if (this.#chance(0.3)) this.#end += Math.floor(this.#random() * 20);
      // What a head holds is (max(E, head at the start), H]; only whole records up to the log's end can be consumed.
      head = Math.min(this.#end, head + Math.floor(this.#random() * 30));
      if (head <= chain.E) {
        chain = await this.#believed(catalog, chain);
      } else {
        const dead = Promise.withResolvers<undefined>();
        const fatal = this.#chance(0.15) ? Math.floor(this.#random() * 4) : -1;
        let step = 0;
        const cut = commitCut(catalog, {
          chain,
          end: head,
          aMax: this.#clock.nowMs(),
          segment: segmentOf(chain.E, head),
          gaps: [],
          writer,
          killPoint: async () => {
            if (step++ === fatal) {
              dead.resolve(undefined);
              await new Promise<never>(() => undefined);
            }
            if (this.#chance(0.1)) await this.#clock.sleep(this.#random() * 2 * HOUR);
          },
        });
        cut.catch(() => undefined);
        const outcome = await Promise.race([cut, dead.promise]);
        if (outcome === undefined) {
          this.#report.crashes++;
          return round;
        }
        if (outcome.won) this.#report.cuts++;
        else this.#report.lostRaces++;
        chain = this.#enter(outcome.chain);
      }
      // LEARN
      if (head < chain.E) head = chain.E;
    }
    return rounds;
  }

  /** TRIM, as greedy as its rules allow: no window of ids, no delay. */
  async #janitor(): Promise<void> {
    const catalog = this.#catalog();
    while (!this.#over) {
      await this.#clock.sleep(this.#random() * (this.#chance(0.5) ? 1000 : HOUR / 4));
      const troubles = this.#trim(catalog);
      await troubles.catch((error: unknown) => {
        if (!(error instanceof Error) || !/connection|answer/.test(error.message)) throw error;
      });
    }
  }

  async #trim(catalog: Catalog): Promise<void> {
    const chain = await this.#believed(catalog);
    const done = chain.manifests[Math.floor(this.#random() * chain.manifests.length)];
    if (done === undefined || this.#chance(0.3)) return;
    const first = Math.min(done.seq + 1, chain.tip!.seq);
    await compareAndSet(catalog, logTrim, {}, (trim: LogTrim | undefined) => {
      const entry = registeredLog(trim!, log)!;
      if (entry.T >= done.end) return undefined;
      return { ...trim!, logs: withLog(trim!.logs, { ...entry, T: done.end, seq: Math.max(entry.seq, first) }) };
    });
    this.#report.trims++;
    const { E, T, manifests } = await this.#believed(catalog);
    const named = new Set(manifests.filter(({ end }) => end > T).map(({ object }) => object));
    for (const key of await catalog.objects.list(`log/${log}/s/`)) {
      const start = Number(/\/s\/(-?\d+)-/.exec(key)![1]);
      if (start < E && !named.has(key)) await catalog.objects.delete(key);
    }
    for (const key of await catalog.objects.list(`log/${log}/m/`)) {
      if (key < manifestKey(log, manifests[0]!.seq)) await catalog.objects.delete(key);
    }
  }

  /** Looks at the store itself, between steps of the others: what is kept and named is there, and holds its rows. */
  #checkKept(): void {
    const catalog = testCatalog(this.#store);
    const stored = this.#store.objects.get(trimKey);
    if (stored === undefined) return;
    const entry = registeredLog(logTrim.decode(catalog, stored.bytes), log)!;
    const keys = [...this.#store.objects.keys()].filter((key) => key.startsWith(`log/${log}/m/`));
    this.#report.voids = Math.max(this.#report.voids, this.#countVoids(keys));
    for (let seq = entry.seq; this.#store.objects.has(manifestKey(log, seq)); seq++) {
      const manifest = decodeManifest(catalog, log, seq, this.#store.objects.get(manifestKey(log, seq))!.bytes);
      this.#ledgerEntry(manifest);
      if (manifest.end <= entry.T) continue;
      const segment = this.#store.objects.get(manifest.object!);
      if (segment === undefined) throw new Error(`I4: ${manifest.object} is named by manifest ${seq} and gone`);
      if (new TextDecoder().decode(segment.bytes) !== rowsOf(manifest.start, manifest.end)) {
        throw new Error(`I2: ${manifest.object} does not hold the rows of (${manifest.start}, ${manifest.end}]`);
      }
    }
  }

  #countVoids(keys: readonly string[]): number {
    const catalog = testCatalog(this.#store);
    return keys.filter((key) => {
      const seq = Number(key.slice(-12));
      const believed = this.#ledger[seq];
      const { bytes } = this.#store.objects.get(key)!;
      return believed !== undefined && decodeManifest(catalog, log, seq, bytes).digest !== believed.digest;
    }).length;
  }

  /** CHAIN, repeated through trouble, into the ledger. */
  async #believed(catalog: Catalog, known?: Chain): Promise<Chain> {
    for (;;) {
      try {
        return this.#enter(await readChain(catalog, log, known));
      } catch (error) {
        if (!(error instanceof Error) || !/connection|answer/.test(error.message)) throw error;
        await this.#clock.sleep(10);
      }
    }
  }

  #enter(chain: Chain | undefined): Chain {
    if (chain === undefined) throw new Error('the log is gone');
    const last = chain.manifests.at(-1);
    if (chain.E !== (last?.end ?? -1) || chain.T > chain.E) throw new Error(`T ${chain.T} is above E ${chain.E}`);
    for (const manifest of chain.manifests) this.#ledgerEntry(manifest);
    return chain;
  }

  /** I2: one manifest per seq for everybody, each starting where the one before ends. */
  #ledgerEntry(manifest: Manifest): void {
    const believed = this.#ledger[manifest.seq];
    if (believed !== undefined && believed.digest !== manifest.digest) {
      throw new Error(
        `I2: manifest ${manifest.seq} is (${believed.start}, ${believed.end}] for one, (${manifest.start}, ${manifest.end}] for another`,
      );
    }
    this.#ledger[manifest.seq] = manifest;
  }

  /** I2 over all that was ever believed: it tiles the offsets, up to what a last reader sees. */
  async #lastLook(): Promise<void> {
    const { tip } = this.#enter(await readChain(testCatalog(this.#store), log));
    let end = -1;
    for (let seq = 0; seq <= (tip?.seq ?? -1); seq++) {
      const manifest = this.#ledger[seq];
      if (manifest === undefined || manifest.start !== end)
        throw new Error(`I2: manifest ${seq} does not start at ${end}`);
      end = manifest.end;
    }
    if (this.#ledger.length !== (tip?.seq ?? -1) + 1) throw new Error('a manifest above the tip was believed');
  }
}

/** The segment of the rows in (start, end]: its bytes name them. */
function segmentOf(start: number, end: number): Segment {
  const bytes = new TextEncoder().encode(rowsOf(start, end));
  const part = { off: 0, len: bytes.length, rows: end - start, minMs: start, maxMs: end };
  return { bytes, tenants: [{ tenant: 'team' as TenantId, ...part }], idsOff: 0, idsLen: 0 };
}

function rowsOf(start: number, end: number): string {
  return `rows ${start + 1} to ${end}`;
}
