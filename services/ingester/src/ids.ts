import type { KeptIds } from '@kiln/block';

/** Bytes of a profile id. */
export const ID_BYTES = 16;

/** Kept ids are remembered for this much append time, the longest duplicate window (design: distributed.md §1.6). */
export const IDS_KEPT_MS = 7_200_000;

const SLICE_MS = 600_000;
const SLICE_IDS = 1 << 18;
const MAX_WINDOWS = 1 << 16;

/**
 * The profile ids a log kept in its last 2 h of append time, and the rule that drops copies: a profile is a copy when a kept profile with its
 * id is younger than that one's window; a dropped copy extends nothing. So "kept" is a function of the log alone.
 *
 * Ids lie in slices of at most 10 minutes or 2^18 ids, in log order, each slice with an open-addressing table of row numbers (load at most
 * 0.5): 30 to 45 bytes an id. A slice is dropped whole when its last id is 2 h old; growth and expiry never stall for long.
 */
export class Ids {
  readonly #seed: number;
  /** Oldest first. */
  #slices: Slice[] = [];
  #newestMs = -Infinity;
  #count = 0;
  #dropped = 0;

  /** @param seed a secret number per process, so that nobody can choose ids that fall into one slot. */
  constructor(seed: number) {
    this.#seed = seed | 0;
  }

  /** Ids ever kept; the mark of a point in log order (see `between`). */
  get mark(): number {
    return this.#count;
  }

  /** Copies refused so far. */
  get dropped(): number {
    return this.#dropped;
  }

  /** Ids held now. */
  get length(): number {
    let length = 0;
    for (const slice of this.#slices) length += slice.length;
    return length;
  }

  get byteLength(): number {
    let bytes = 256;
    for (const slice of this.#slices) bytes += slice.byteLength;
    return bytes;
  }

  /**
   * Decides one profile. Hot: once per profile.
   * @param ids ids back to back; the one meant starts at `at`.
   * @param appendMs append time of its record, as a running maximum.
   * @param windowMs its duplicate window; cut to 2 h.
   * @returns false when it is a copy; else it is now kept.
   */
  keep(ids: Uint8Array, at: number, appendMs: number, windowMs: number): boolean {
    if (this.#add(ids, at, appendMs, windowMs)) return true;
    this.#dropped++;
    return false;
  }

  /** Takes over what manifests kept, in log order. What is known already, or older than 2 h before `nowMs` of append time, is passed over. */
  load(kept: KeptIds, nowMs: number): void {
    this.#newestMs = Math.max(this.#newestMs, nowMs);
    for (let i = 0; i < kept.length; i++) {
      const appendMs = kept.appendMs[i]!;
      if (this.#newestMs - appendMs < IDS_KEPT_MS) this.#add(kept.id, i * ID_BYTES, appendMs, kept.windowMs[i]!);
    }
    this.#expire();
  }

  /** The ids kept between two marks, in log order, without those that have expired meanwhile. */
  between(fromMark: number, toMark: number): KeptIds {
    const parts: { slice: Slice; from: number; to: number }[] = [];
    let total = 0;
    for (const slice of this.#slices) {
      const from = Math.max(0, fromMark - slice.firstMark);
      const to = Math.min(slice.length, toMark - slice.firstMark);
      if (from >= to) continue;
      parts.push({ slice, from, to });
      total += to - from;
    }
    const out = {
      length: total,
      id: new Uint8Array(total * ID_BYTES),
      appendMs: new Float64Array(total),
      windowMs: new Float64Array(total),
    };
    let row = 0;
    for (const { slice, from, to } of parts) {
      slice.copy(from, to, out, row);
      row += to - from;
    }
    return out;
  }

  /** Forgets everything but the count: the marks go on. */
  clear(): void {
    this.#slices = [];
  }

  #add(ids: Uint8Array, at: number, appendMs: number, windowMs: number): boolean {
    if (appendMs > this.#newestMs) {
      this.#newestMs = appendMs;
      this.#expire();
    }
    const w0 = word(ids, at);
    const w1 = word(ids, at + 4);
    const w2 = word(ids, at + 8);
    const w3 = word(ids, at + 12);
    const hash = mix(w0, w1, w2, w3, this.#seed);
    for (let i = this.#slices.length - 1; i >= 0; i--) {
      const slice = this.#slices[i]!;
      const row = slice.find(w0, w1, w2, w3, hash);
      if (row < 0) continue;
      if (appendMs - slice.appendMs(row) < slice.windowMs(row)) return false;
      break;
    }
    const window = Math.min(windowMs, IDS_KEPT_MS);
    let last = this.#slices.at(-1);
    if (last === undefined || !last.takes(appendMs, window)) {
      last = new Slice(appendMs, this.#count, this.#seed);
      this.#slices.push(last);
    }
    last.add(w0, w1, w2, w3, hash, appendMs, window);
    this.#count++;
    return true;
  }

  #expire(): void {
    while (this.#slices.length > 0 && this.#newestMs - this.#slices[0]!.lastMs >= IDS_KEPT_MS) this.#slices.shift();
  }
}

/** Ids of a stretch of the log, in log order, and a table that finds the newest entry of an id. */
class Slice {
  readonly baseMs: number;
  /** The mark of row 0. */
  readonly firstMark: number;
  lastMs: number;
  length = 0;
  readonly #seed: number;
  #words: Uint32Array = new Uint32Array(16 * 4);
  /** Milliseconds after `baseMs`. */
  #append: Int32Array = new Int32Array(16);
  #window: Uint16Array = new Uint16Array(16);
  /** Row + 1, 0 for free; twice as many as rows fit. */
  #slots: Uint32Array = new Uint32Array(32);
  readonly #windows: number[] = [];

  constructor(baseMs: number, firstMark: number, seed: number) {
    this.baseMs = baseMs;
    this.firstMark = firstMark;
    this.lastMs = baseMs;
    this.#seed = seed;
  }

  get byteLength(): number {
    return (
      160 +
      this.#words.byteLength +
      this.#append.byteLength +
      this.#window.byteLength +
      this.#slots.byteLength +
      this.#windows.length * 8
    );
  }

  /** Whether one more id of this time and window may go here. */
  takes(appendMs: number, windowMs: number): boolean {
    return (
      this.length < SLICE_IDS &&
      Math.abs(appendMs - this.baseMs) < SLICE_MS &&
      (this.#windows.length < MAX_WINDOWS || this.#windows.includes(windowMs))
    );
  }

  appendMs(row: number): number {
    return this.baseMs + this.#append[row]!;
  }

  windowMs(row: number): number {
    return this.#windows[this.#window[row]!]!;
  }

  /** The newest row of this id, -1 when there is none. */
  find(w0: number, w1: number, w2: number, w3: number, hash: number): number {
    const slots = this.#slots;
    const words = this.#words;
    const mask = slots.length - 1;
    for (let slot = hash & mask; ; slot = (slot + 1) & mask) {
      const row = slots[slot]! - 1;
      if (row < 0) return -1;
      const at = row * 4;
      if (words[at] === w0 && words[at + 1] === w1 && words[at + 2] === w2 && words[at + 3] === w3) return row;
    }
  }

  add(w0: number, w1: number, w2: number, w3: number, hash: number, appendMs: number, windowMs: number): void {
    if (this.length === this.#append.length) this.#grow();
    const row = this.length++;
    const at = row * 4;
    this.#words[at] = w0;
    this.#words[at + 1] = w1;
    this.#words[at + 2] = w2;
    this.#words[at + 3] = w3;
    this.#append[row] = appendMs - this.baseMs;
    this.#window[row] = this.#windowNumber(windowMs);
    this.#insert(row, hash);
    if (appendMs > this.lastMs) this.lastMs = appendMs;
  }

  copy(from: number, to: number, out: KeptIds, outRow: number): void {
    for (let row = from, o = outRow; row < to; row++, o++) {
      for (let w = 0; w < 4; w++) {
        const value = this.#words[row * 4 + w]!;
        const at = o * ID_BYTES + w * 4;
        out.id[at] = value;
        out.id[at + 1] = value >>> 8;
        out.id[at + 2] = value >>> 16;
        out.id[at + 3] = value >>> 24;
      }
      out.appendMs[o] = this.appendMs(row);
      out.windowMs[o] = this.windowMs(row);
    }
  }

  /** Points the id's slot at `row`, whether it is new or was kept before. */
  #insert(row: number, hash: number): void {
    const slots = this.#slots;
    const words = this.#words;
    const mask = slots.length - 1;
    const at = row * 4;
    let slot = hash & mask;
    for (; slots[slot] !== 0; slot = (slot + 1) & mask) {
      const other = (slots[slot]! - 1) * 4;
      if (
        words[other] === words[at] &&
        words[other + 1] === words[at + 1] &&
        words[other + 2] === words[at + 2] &&
        words[other + 3] === words[at + 3]
      ) {
        break;
      }
    }
    slots[slot] = row + 1;
  }

  #grow(): void {
    const capacity = this.#append.length * 2;
    const words = new Uint32Array(capacity * 4);
    words.set(this.#words);
    const append = new Int32Array(capacity);
    append.set(this.#append);
    const window = new Uint16Array(capacity);
    window.set(this.#window);
    this.#words = words;
    this.#append = append;
    this.#window = window;
    this.#slots = new Uint32Array(capacity * 2);
    for (let row = 0; row < this.length; row++) {
      const at = row * 4;
      this.#insert(row, mix(words[at]!, words[at + 1]!, words[at + 2]!, words[at + 3]!, this.#seed));
    }
  }

  #windowNumber(windowMs: number): number {
    const known = this.#windows.lastIndexOf(windowMs);
    return known >= 0 ? known : this.#windows.push(windowMs) - 1;
  }
}

function word(bytes: Uint8Array, at: number): number {
  return (bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)) >>> 0;
}

function mix(w0: number, w1: number, w2: number, w3: number, seed: number): number {
  let h = Math.imul(w0 ^ seed, 0x9e3779b1);
  h = Math.imul(h ^ (h >>> 15) ^ w1, 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13) ^ w2, 0xc2b2ae35);
  h = Math.imul(h ^ (h >>> 16) ^ w3, 0x27d4eb2f);
  return h ^ (h >>> 15);
}
