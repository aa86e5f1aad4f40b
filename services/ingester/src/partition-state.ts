import type { Codecs, DatasetTables, LogRecord } from '@kiln/block';
import type { Chain, Gap } from '@kiln/catalog';
import type { TenantId } from '@kiln/model';
import type { LogEntry } from '@kiln/partition-log';
import { Generation } from './generation.ts';
import type { HeadParts } from './head/head-dataset.ts';
import { SampleSorter } from '@kiln/block';
import { ID_BYTES, Ids } from './ids.ts';
import type { LoadedIds, LostIds } from './load-ids.ts';

/**
 * What an owner of one log holds in memory, and the steps of the protocol that change it (design: distributed.md §1.10). Every step is whole:
 * nothing here waits, so an answer between two steps sees E, H, rows and gaps that belong together.
 */
export class PartitionState {
  readonly #parts: HeadParts;
  readonly ids: Ids;
  /** Undefined before `open`. */
  chain: Chain | undefined;
  #lostIds: readonly LostIds[] = [];
  /** H: the last offset consumed. */
  consumed = -1;
  /** a: append time at H, as a running maximum. */
  appendMs = 0;
  /** The generation that a cut is taking away; at most one. */
  frozen: Generation | undefined;
  /** The generation that takes rows; none while nothing has come since the last freeze. */
  growing: Generation | undefined;

  /** @param seed a secret number per process, for hash tables. */
  constructor(codecs: Codecs, seed: number) {
    this.#parts = { codecs, sorter: new SampleSorter(), seed };
    this.ids = new Ids(seed);
  }

  /** E: end of the newest manifest, -1 when there is none. */
  get committed(): number {
    return this.chain?.E ?? -1;
  }

  /** Ids that could not be read while one of their windows may still be open. */
  get lostIds(): readonly LostIds[] {
    return this.#lostIds.filter(({ untilMs }) => this.appendMs < untilMs);
  }

  /** OPEN: starts at the tip with the ids of the window. */
  open(chain: Chain, { kept, lost }: LoadedIds, appendMs: number): void {
    this.ids.clear();
    this.frozen = undefined;
    this.growing = undefined;
    this.chain = chain;
    this.consumed = chain.E;
    this.appendMs = appendMs;
    this.#lostIds = lost;
    for (const part of kept) this.ids.load(part, this.appendMs);
  }

  /** Lets go of everything above E, as if just started; the ids must be loaded anew before the next record. */
  reset(): void {
    this.ids.clear();
    this.frozen = undefined;
    this.growing = undefined;
    this.consumed = this.committed;
  }

  /** NEXT, steps 2 to 4, for offset H + 1: copies are dropped, the other profiles' rows go to the growing generation. */
  take(entry: LogEntry, record: LogRecord, nowMs: number): void {
    const appendMs = Math.max(this.appendMs, entry.appendMs);
    const generation = this.#growing(nowMs);
    const kept = record.datasets.map(({ profiles }) => {
      const flags = new Uint8Array(profiles.length);
      for (let p = 0; p < flags.length; p++) {
        flags[p] = this.ids.keep(profiles.id, p * ID_BYTES, appendMs, record.windowMs) ? 1 : 0;
      }
      return flags;
    });
    generation.head.append(record, kept, entry.offset);
    this.#flagLostIds(generation, entry.offset, appendMs);
    this.#advance(generation, entry.offset, appendMs, entry.record?.byteLength ?? 0);
  }

  /** NEXT for offsets that bring no rows: from H + 1 to `gap.upTo`. */
  pass(gap: Gap, appendMs: number, logBytes: number, nowMs: number): void {
    const generation = this.#growing(nowMs);
    generation.gaps.push(gap);
    this.#advance(generation, gap.upTo, Math.max(this.appendMs, appendMs), logBytes);
  }

  /** CUT, step 1: what has grown is frozen. The frozen generation, or undefined when nothing lies above E. */
  freeze(): Generation | undefined {
    if (this.frozen === undefined) {
      this.frozen = this.growing;
      this.growing = undefined;
    }
    return this.frozen;
  }

  /**
   * LEARN: takes over a newer chain, with the ids of its manifests over (H, E], wanted only when others got further than this owner.
   * @returns whether the position moved, so that reading has to start again.
   */
  learn(chain: Chain, { kept, lost }: LoadedIds): boolean {
    if (chain.E < this.committed || chain.trimRev < (this.chain?.trimRev ?? 0)) return false; // read before the one that is known
    this.chain = chain;
    if (this.consumed < chain.E) {
      this.appendMs = Math.max(this.appendMs, chain.tip?.aMax ?? 0);
      for (const part of kept) this.ids.load(part, this.appendMs);
      this.#lostIds = [...this.#lostIds, ...lost];
      this.frozen = undefined;
      this.growing = undefined;
      this.consumed = chain.E;
      return true;
    }
    if (this.frozen !== undefined && this.frozen.end <= chain.E) this.frozen = undefined;
    if (this.growing !== undefined && this.growing.end <= chain.E) this.growing = undefined;
    return false;
  }

  /** A tenant's rows in (after, H], dataset by dataset. */
  *tables(tenant: TenantId, after: number): Iterable<DatasetTables> {
    if (this.frozen !== undefined) yield* this.frozen.head.tables(tenant, after);
    if (this.growing !== undefined) yield* this.growing.head.tables(tenant, after);
  }

  /** Gaps in (after, H] that are in no manifest yet, and offsets whose copies cannot be told. */
  gaps(after: number): Gap[] {
    return [...(this.frozen?.gaps ?? []), ...(this.growing?.gaps ?? [])].filter((gap) => gap.upTo > after);
  }

  /** A record that came while ids are lost may hold copies of their profiles: its offset is flagged like a gap. */
  #flagLostIds({ gaps }: Generation, offset: number, appendMs: number): void {
    const lost = this.#lostIds.find(({ untilMs }) => appendMs < untilMs);
    if (lost === undefined) return;
    const reason = `copies may count twice: the ids of ${lost.object} are lost`;
    const last = gaps.at(-1);
    if (last?.reason === reason && last.upTo === offset - 1)
      gaps[gaps.length - 1] = { ...last, upTo: offset, toMs: appendMs };
    else gaps.push({ after: offset - 1, upTo: offset, reason, fromMs: appendMs, toMs: appendMs });
  }

  #growing(nowMs: number): Generation {
    this.growing ??= new Generation(this.consumed, nowMs, this.ids.mark, this.#parts);
    return this.growing;
  }

  #advance(generation: Generation, offset: number, appendMs: number, logBytes: number): void {
    generation.end = offset;
    generation.appendMs = appendMs;
    generation.toMark = this.ids.mark;
    generation.logBytes += logBytes;
    this.consumed = offset;
    this.appendMs = appendMs;
  }
}
