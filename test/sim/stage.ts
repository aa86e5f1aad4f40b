import { registerLog } from '@kiln/catalog';
import type { TenantId } from '@kiln/model';
import { compactorDefaults, type CompactorConfig } from '../../services/compactor/src/config.ts';
import { Clients, Reader, type ReaderKind } from './clients.ts';
import type { Mark, Sums } from './ledger.ts';
import { Life } from './life.ts';
import { CompactorNode, OwnerNode } from './roles.ts';
import { HOUR, MINUTE, World } from './world.ts';

export const ANN = 'ann' as TenantId;
export const BOB = 'bob' as TenantId;
const TENANTS = [ANN, BOB];
const FRESH: ReaderKind = { staleMs: 0, sleepy: 0 };

/** A world in which nothing is left to chance but delays: a test says what happens, one after the other. */
export class Stage {
  readonly world: World = new World(1);
  readonly clients: Clients = new Clients(this.world);
  readonly retentionMs: number;
  owners: OwnerNode[] = [];
  readonly #budgetBytes: number;
  #names = 0;

  private constructor(retentionMs: number, budgetBytes: number) {
    this.retentionMs = retentionMs;
    this.#budgetBytes = budgetBytes;
  }

  static async open({ retentionMs = 30 * 24 * HOUR, budgetBytes = 64 << 20 } = {}): Promise<Stage> {
    const stage = new Stage(retentionMs, budgetBytes);
    const { world } = stage;
    world.ledger.windowMs = 71 * MINUTE;
    await world.open(2);
    const catalog = world.catalogOf(new Life(world, 'start'));
    for (const { id, partition } of world.logs)
      await world.clock.run(registerLog(catalog, { log: id, partition, end: -1 }));
    return stage;
  }

  /** An ingester of both partitions, beside the others, open already. */
  async start(): Promise<OwnerNode> {
    const cuts = { maxAgeMs: 5 * MINUTE, maxBytes: 64 << 20, maxLogBytes: 1 << 30 };
    const node = new OwnerNode(this.world, `owner ${++this.#names}`, [0, 1], { cuts, budgetBytes: this.#budgetBytes });
    this.owners.push(node);
    await this.world.clock.advance(1000);
    return node;
  }

  compactor(config: Partial<CompactorConfig> = {}): CompactorNode {
    const name = `compactor ${++this.#names}`;
    return new CompactorNode(this.world, name, { ...compactorDefaults, dayMs: 6 * HOUR, ...config }, this.retentionMs);
  }

  /** A round of a compactor, or what it comes to before that dies. */
  async compact(node: CompactorNode = this.compactor()): Promise<void> {
    node.run(true);
    await this.world.clock.run(node.round!);
  }

  /** New profiles of both tenants, acknowledged. */
  async push(count = 1, ageMs = 0): Promise<Mark[]> {
    const marks: Mark[] = [];
    for (const tenant of TENANTS) {
      const timeMs = this.world.clock.nowMs() - ageMs;
      const own = Array.from({ length: count }, (_, i) =>
        this.clients.mark(tenant, ['shop', 'cart'][i % 2]!, timeMs - i),
      );
      await this.world.clock.run(this.clients.push(own));
      marks.push(...own);
    }
    return marks;
  }

  /** Time goes on until everything that was pushed is cut. */
  async cut(): Promise<void> {
    await this.world.clock.advance(6 * MINUTE);
  }

  reader(kind: ReaderKind = FRESH): Reader {
    return new Reader(this.world, () => this.owners, this.retentionMs, kind);
  }

  /**
   * What every tenant is answered.
   * @throws Error when an answer is not exact and does not say so, or a promise about what is stored was broken.
   */
  async ask(reader: Reader = this.reader()): Promise<Sums[]> {
    const { clock, ledger } = this.world;
    const answers: Sums[] = [];
    for (const tenant of TENANTS) {
      // By totals of rows or by their samples, as chance will have it.
      for (let times = 0; times < 2; times++) {
        const before = ledger.now;
        const sums = await clock.run(reader.sums(tenant));
        const sinceMs = clock.nowMs() - this.retentionMs;
        const found = ledger.judge(tenant, sums, { ...before, sinceMs, untilMs: sinceMs - MINUTE });
        if (found !== undefined) throw new Error(found);
        answers.push(sums);
      }
    }
    if (this.world.broken !== undefined) throw this.world.broken;
    return answers;
  }

  /** As `ask`. @throws Error also for an answer that says that something may be missing. */
  async exact(reader?: Reader): Promise<void> {
    const flagged = (await this.ask(reader)).find((answer) => answer.flagged);
    if (flagged !== undefined) throw new Error(`flagged: ${flagged.why}`);
  }

  /** A bit of byte `at` of a stored object is not what it was. */
  flip(key: string, at: number): void {
    const { bytes } = this.world.stored.objects.get(key)!;
    bytes[at]! ^= 0x10;
  }

  /** Keys of the store. */
  keys(part: string): string[] {
    return [...this.world.stored.objects.keys()].filter((key) => key.includes(part));
  }
}
