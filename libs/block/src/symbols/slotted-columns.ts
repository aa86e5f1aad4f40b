/**
 * A hash table and the columns of its rows in one array of words: slots first, then column after column. One array, because a small table
 * is mostly objects: each typed array costs 200 bytes of them. Slots hold row + `first`, 0 when free.
 *
 * A search has no bound of its own. What keeps it short is that at most three quarters of the slots are taken, where a search takes nine steps on
 * average even for what is not there, and that the seed of the hashes is secret: whoever chooses the content cannot choose where it meets.
 */
export abstract class SlottedColumns {
  /** Slots, then column after column of `capacity` entries, then `extra` words. */
  protected words: Uint32Array;
  /** Number of slots, a power of two; also where the columns begin. */
  protected slots: number;
  /** Rows that fit. */
  protected capacity: number;
  protected length = 0;
  readonly #widths: readonly number[];
  readonly #extra: number;

  /**
   * @param widths words of an entry, per column: 1, or 2 for doubles.
   * @param extra words behind the last column, for one that has more entries than there are rows.
   */
  constructor(widths: readonly number[], extra: number, capacity: number, slots: number) {
    this.#widths = widths;
    this.#extra = extra;
    this.capacity = capacity;
    this.slots = slots;
    this.words = new Uint32Array(this.#size());
  }

  /** Bytes held, used or not. */
  get byteLength(): number {
    return this.words.byteLength;
  }

  /** The slot where the search for a row begins. */
  protected abstract slotOf(row: number): number;

  /** Makes room for the row `length`, which is written next. */
  protected reserveRow(): void {
    if (this.length < this.capacity) return;
    const old = this.words;
    const held = this.capacity;
    this.capacity = grown(held, this.length + 1);
    this.words = new Uint32Array(this.#size());
    this.words.set(old.subarray(0, this.slots));
    let from = this.slots;
    let to = this.slots;
    for (const width of this.#widths) {
      this.words.set(old.subarray(from, from + width * held), to);
      from += width * held;
      to += width * this.capacity;
    }
    this.words.set(old.subarray(from), to - this.capacity + held); // the extra words, right behind the last entry
  }

  #size(): number {
    let size = this.slots + this.#extra;
    for (const width of this.#widths) size += width * this.capacity;
    return size;
  }

  /** Doubles the slots when they are crowded. `first` is what row 0 is stored as; with 0 that row has no slot. */
  protected reserveSlot(first: 0 | 1): void {
    if (this.length * 4 <= this.slots * 3) return;
    const slots = this.slots * 2;
    const words = new Uint32Array(slots + this.words.length - this.slots);
    words.set(this.words.subarray(this.slots), slots);
    this.words = words;
    this.slots = slots;
    const mask = slots - 1;
    for (let row = 1 - first; row < this.length; row++) {
      let slot = this.slotOf(row) & mask;
      while (words[slot] !== 0) slot = (slot + 1) & mask;
      words[slot] = row + first;
    }
  }
}

/** The next capacity of a column: a quarter more, because what is not used is memory of the head too. */
export function grown(capacity: number, need: number): number {
  return Math.max(need, capacity + Math.max(4, capacity >> 2));
}
