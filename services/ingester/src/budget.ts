import { MemoryLedger, type SharedLedger } from '@kiln/async';

/** A budget as it crosses a thread border: structured cloning shares the cells. */
export interface SharedBudget {
  readonly limitBytes: number;
  readonly cells: SharedArrayBuffer;
  readonly ledger: SharedLedger;
}

/** What one partition holds. */
export interface Holding {
  /** The generation that takes rows. */
  readonly openBytes: number;
  /** The frozen generation and its segment in flight: bytes that an upload will free. */
  readonly frozenBytes: number;
  /** What no cut frees: the ids. */
  readonly fixedBytes: number;
}

const UNIT = 1024;
const PER_SLOT = 3;
/** Part of the limit at which the largest head is cut, before reading has to stop. */
const CUT_AT = 0.75;
/** Part of the limit that heads may always use, however much the ids hold: else a process full of ids would read nothing for ever. */
const HEADS_AT_LEAST = 0.125;

/**
 * The bytes that all partitions of a process hold in memory, counted in one place that every thread sees. Near the limit the largest open head
 * is cut first; over it, everyone stops reading until an upload frees something (design: distributed.md §1.6, invariant I9). The limit is what the
 * ledger of the process leaves, and never more than heads may take.
 */
export class Budget {
  readonly limitBytes: number;
  /** Per slot the KiB open, frozen and fixed. */
  readonly #cells: Int32Array<SharedArrayBuffer>;
  readonly #ledger: MemoryLedger;

  private constructor(limitBytes: number, cells: SharedArrayBuffer, ledger: MemoryLedger) {
    this.limitBytes = limitBytes;
    this.#cells = new Int32Array(cells);
    this.#ledger = ledger;
  }

  /** @param slots how many partitions share it, numbered from 0. */
  static create(limitBytes: number, slots: number, ledger: MemoryLedger = MemoryLedger.create()): Budget {
    return new Budget(limitBytes, new SharedArrayBuffer(slots * PER_SLOT * 4), ledger);
  }

  /** The same budget in another thread. */
  static attach({ limitBytes, cells, ledger }: SharedBudget): Budget {
    return new Budget(limitBytes, cells, MemoryLedger.attach(ledger));
  }

  share(): SharedBudget {
    return { limitBytes: this.limitBytes, cells: this.#cells.buffer, ledger: this.#ledger.toShared() };
  }

  /** Says what a partition holds now. Called once per record, so it wakes others only when they may have to act. */
  set(slot: number, holding: Holding): void {
    const at = slot * PER_SLOT;
    const before =
      Atomics.load(this.#cells, at) + Atomics.load(this.#cells, at + 1) + Atomics.load(this.#cells, at + 2);
    const open = kib(holding.openBytes);
    const frozen = kib(holding.frozenBytes);
    const fixed = kib(holding.fixedBytes);
    Atomics.store(this.#cells, at, open);
    Atomics.store(this.#cells, at + 1, frozen);
    Atomics.store(this.#cells, at + 2, fixed);
    const after = open + frozen + fixed;
    this.#ledger.move('heads', before * UNIT, after * UNIT);
    if (after < before || this.#wantsCut()) this.#ledger.tell();
  }

  get usedBytes(): number {
    return (this.#sum(0) + this.#sum(1) + this.#sum(2)) * UNIT;
  }

  /** Whether reading has to stop. False when nothing is left that a cut could free. */
  get over(): boolean {
    return this.#headBytes() > this.#headLimit();
  }

  /** Why reading has to stop, in words. */
  get reason(): string {
    return this.#ledger.fits(0)
      ? `heads and ids hold ${this.usedBytes} bytes, limit ${this.limitBytes} (ingester.head-max-bytes)`
      : this.#ledger.describe(0);
  }

  /** Whether this partition is the one to cut: the heads near the limit, and no other partition without a cut in flight holds more. */
  shouldCut(slot: number): boolean {
    return this.#wantsCut() && this.#largest() === slot;
  }

  /** Resolves when somebody let go of bytes or a cut is due. May resolve without a reason. */
  changed(): Promise<void> {
    return this.#ledger.changed();
  }

  #wantsCut(): boolean {
    return this.#sum(0) * UNIT > this.#headLimit() * CUT_AT;
  }

  #headBytes(): number {
    return (this.#sum(0) + this.#sum(1)) * UNIT;
  }

  #headLimit(): number {
    const { ceilingBytes, usedBytes } = this.#ledger;
    const free = Math.min(this.limitBytes - this.#sum(2) * UNIT, ceilingBytes - (usedBytes - this.#headBytes()));
    return Math.max(free, this.limitBytes * HEADS_AT_LEAST);
  }

  #largest(): number {
    let best = -1;
    let bestOpen = 0;
    for (let at = 0; at < this.#cells.length; at += PER_SLOT) {
      const open = Atomics.load(this.#cells, at);
      if (open <= bestOpen || Atomics.load(this.#cells, at + 1) > 0) continue;
      best = at / PER_SLOT;
      bestOpen = open;
    }
    return best;
  }

  #sum(which: number): number {
    let sum = 0;
    for (let at = which; at < this.#cells.length; at += PER_SLOT) sum += Atomics.load(this.#cells, at);
    return sum;
  }
}

function kib(bytes: number): number {
  return Math.ceil(bytes / UNIT);
}
