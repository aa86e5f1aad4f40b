/** A budget as it crosses a thread border: structured cloning shares `cells`. */
export interface SharedBudget {
  readonly limitBytes: number;
  readonly cells: SharedArrayBuffer;
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
 * is cut first; over it, everyone stops reading until an upload frees something (design: distributed.md §1.6, invariant I9).
 */
export class Budget {
  readonly limitBytes: number;
  /** Cell 0 counts changes; then per slot the KiB open, frozen and fixed. */
  readonly #cells: Int32Array<SharedArrayBuffer>;
  #change: Promise<void> | undefined;

  private constructor(limitBytes: number, cells: SharedArrayBuffer) {
    this.limitBytes = limitBytes;
    this.#cells = new Int32Array(cells);
  }

  /** @param slots how many partitions share it, numbered from 0. */
  static create(limitBytes: number, slots: number): Budget {
    return new Budget(limitBytes, new SharedArrayBuffer((1 + slots * PER_SLOT) * 4));
  }

  /** The same budget in another thread. */
  static attach({ limitBytes, cells }: SharedBudget): Budget {
    return new Budget(limitBytes, cells);
  }

  share(): SharedBudget {
    return { limitBytes: this.limitBytes, cells: this.#cells.buffer };
  }

  /** Says what a partition holds now. Called once per record, so it wakes others only when they may have to act. */
  set(slot: number, holding: Holding): void {
    const at = 1 + slot * PER_SLOT;
    const before =
      Atomics.load(this.#cells, at) + Atomics.load(this.#cells, at + 1) + Atomics.load(this.#cells, at + 2);
    const open = kib(holding.openBytes);
    const frozen = kib(holding.frozenBytes);
    const fixed = kib(holding.fixedBytes);
    Atomics.store(this.#cells, at, open);
    Atomics.store(this.#cells, at + 1, frozen);
    Atomics.store(this.#cells, at + 2, fixed);
    if (open + frozen + fixed < before || this.#wantsCut()) {
      Atomics.add(this.#cells, 0, 1);
      Atomics.notify(this.#cells, 0);
    }
  }

  get usedBytes(): number {
    return (this.#sum(0) + this.#sum(1) + this.#sum(2)) * UNIT;
  }

  /** Whether reading has to stop. False when nothing is left that a cut could free. */
  get over(): boolean {
    return (this.#sum(0) + this.#sum(1)) * UNIT > this.#headLimit();
  }

  /** Whether this partition is the one to cut: the heads near the limit, and no other partition without a cut in flight holds more. */
  shouldCut(slot: number): boolean {
    return this.#wantsCut() && this.#largest() === slot;
  }

  /** Resolves when somebody let go of bytes or a cut is due. May resolve without a reason. */
  changed(): Promise<void> {
    this.#change ??= this.#nextChange();
    return this.#change;
  }

  async #nextChange(): Promise<void> {
    const waiting = Atomics.waitAsync(this.#cells, 0, Atomics.load(this.#cells, 0));
    await waiting.value;
    this.#change = undefined;
  }

  #wantsCut(): boolean {
    return this.#sum(0) * UNIT > this.#headLimit() * CUT_AT;
  }

  #headLimit(): number {
    return Math.max(this.limitBytes - this.#sum(2) * UNIT, this.limitBytes * HEADS_AT_LEAST);
  }

  #largest(): number {
    let best = -1;
    let bestOpen = 0;
    for (let at = 1; at < this.#cells.length; at += PER_SLOT) {
      const open = Atomics.load(this.#cells, at);
      if (open <= bestOpen || Atomics.load(this.#cells, at + 1) > 0) continue;
      best = (at - 1) / PER_SLOT;
      bestOpen = open;
    }
    return best;
  }

  #sum(which: number): number {
    let sum = 0;
    for (let at = 1 + which; at < this.#cells.length; at += PER_SLOT) sum += Atomics.load(this.#cells, at);
    return sum;
  }
}

function kib(bytes: number): number {
  return Math.ceil(bytes / UNIT);
}
