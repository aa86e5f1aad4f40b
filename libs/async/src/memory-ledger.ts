/** Who holds memory: `process` is code, threads and their heaps as they are when idle; the others are what work makes of it. */
export const MEMORY_SHARES = ['process', 'caches', 'heads', 'requests', 'queries', 'merges'] as const;

export type MemoryShare = (typeof MEMORY_SHARES)[number];

/** A ledger as it crosses a thread border: structured cloning shares `cells`. */
export interface SharedLedger {
  readonly ceilingBytes: number;
  readonly cells: SharedArrayBuffer;
}

const UNIT = 1024;
/** Part of the ceiling from which on every change is told to those who wait. */
const TELL_FROM = 0.75;

/**
 * The bytes that the parts of a process hold, counted by those who hold them in one place that every thread sees, below one ceiling (design:
 * distributed.md §1.6, I9). The ledger counts and says whether something fits; what is done when it does not is up to each part: heads are cut and reading
 * the log pauses, then reads are refused, then writes. Bytes are rounded up to 1,024 for each holding.
 */
export class MemoryLedger {
  /** Infinity: no bound, everything is only counted. */
  readonly ceilingBytes: number;
  /** Cell 0 counts changes that were told; then the KiB of each share. */
  readonly #cells: Int32Array<SharedArrayBuffer>;
  /** Cell 0 when this thread looked last: what is told while nobody waits is not missed. */
  #seen: number;
  #change: Promise<void> | undefined;

  private constructor(ceilingBytes: number, cells: SharedArrayBuffer) {
    this.ceilingBytes = ceilingBytes;
    this.#cells = new Int32Array(cells);
    this.#seen = Atomics.load(this.#cells, 0);
  }

  static create(ceilingBytes: number = Infinity): MemoryLedger {
    return new MemoryLedger(ceilingBytes, new SharedArrayBuffer((1 + MEMORY_SHARES.length) * 4));
  }

  /** The same ledger in another thread. */
  static attach({ ceilingBytes, cells }: SharedLedger): MemoryLedger {
    return new MemoryLedger(ceilingBytes, cells);
  }

  toShared(): SharedLedger {
    return { ceilingBytes: this.ceilingBytes, cells: this.#cells.buffer };
  }

  /** Says that one holding of a share has gone from so many bytes to so many. Whoever holds remembers the former. */
  move(share: MemoryShare, beforeBytes: number, afterBytes: number): void {
    const by = Math.ceil(afterBytes / UNIT) - Math.ceil(beforeBytes / UNIT);
    if (by === 0) return;
    Atomics.add(this.#cells, 1 + MEMORY_SHARES.indexOf(share), by);
    if (this.usedBytes + Math.max(0, -by) * UNIT >= this.ceilingBytes * TELL_FROM) this.tell();
  }

  bytesOf(share: MemoryShare): number {
    return Atomics.load(this.#cells, 1 + MEMORY_SHARES.indexOf(share)) * UNIT;
  }

  /** Bytes of all shares. */
  get usedBytes(): number {
    let sum = 0;
    for (let cell = 1; cell < this.#cells.length; cell++) sum += Atomics.load(this.#cells, cell);
    return sum * UNIT;
  }

  /** Whether so many bytes more stay below the ceiling. */
  fits(moreBytes: number): boolean {
    return this.usedBytes + moreBytes <= this.ceilingBytes;
  }

  /** Why something does not fit, for people: what is used, by whom, and the setting. */
  describe(moreBytes: number): string {
    const shares = MEMORY_SHARES.map((share) => `${share} ${this.bytesOf(share)}`).join(', ');
    return `the process holds ${this.usedBytes} bytes (${shares}), ${moreBytes} more do not fit below ${this.ceilingBytes} (memory.ceiling)`;
  }

  /** Resolves when bytes came or went near the ceiling, or somebody called `tell`. May resolve without a reason. */
  changed(): Promise<void> {
    this.#change ??= this.#nextChange();
    return this.#change;
  }

  /** Wakes everybody who waits for a change, in all threads. */
  tell(): void {
    Atomics.add(this.#cells, 0, 1);
    Atomics.notify(this.#cells, 0);
  }

  async #nextChange(): Promise<void> {
    await Atomics.waitAsync(this.#cells, 0, this.#seen).value;
    this.#seen = Atomics.load(this.#cells, 0);
    this.#change = undefined;
  }
}
