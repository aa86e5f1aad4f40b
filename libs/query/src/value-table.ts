import type { ByteReader, ByteWriter } from '@kiln/bytes';
import { LabelSetTable, SPILL, type Label } from '@kiln/model';
import { readExact, writeExact } from './exact-codec.ts';
import { KEY, OTHER_KEY } from './hash-keys.ts';
import { readLabelLists, writeLabelLists } from './label-codec.ts';
import { atMost, refusePoints, type QueryLimits } from './limits.ts';
import type { QueryRange, ValuesOf } from './query.ts';

/*
 * values := label lists | n | n * (group | labels | time, zigzag delta | value, exact | ids, words u32)
 */

/** Words of the ids of a value, the highest first: the stored half of a profile's id; or a span's id and its trace's. */
const WORDS: Readonly<Record<ValuesOf, number>> = { profiles: 2, spans: 6 };

/**
 * Single values with who they are of. Those of one profile, in one group and at one time, are one: summed, with the labels that all of them have. Values of spans stay
 * as they are. Columns are replaced as the table grows: hoist them only between calls.
 */
export class ValueTable {
  readonly of: ValuesOf;
  readonly words: number;
  /** Labels that the group does not tell, by number. */
  readonly labelLists: LabelSetTable = new LabelSetTable();
  group: Uint32Array = new Uint32Array(FIRST);
  labels: Uint32Array = new Uint32Array(FIRST);
  timeMs: Float64Array = new Float64Array(FIRST);
  lo: Float64Array = new Float64Array(FIRST);
  hi: Float64Array = new Float64Array(FIRST);
  ids: Uint32Array;
  #length = 0;
  /** Open addressing over group, time and id, entry + 1, 0 is free; at most half full. */
  #slots: Uint32Array = new Uint32Array(4 * FIRST);
  readonly #maxValues: number;

  constructor(of: ValuesOf, { maxResultPoints }: QueryLimits = {}) {
    this.of = of;
    this.words = WORDS[of];
    this.ids = new Uint32Array(FIRST * this.words);
    this.#maxValues = atMost(maxResultPoints);
  }

  get length(): number {
    return this.#length;
  }

  /**
   * Hot: once per value. @param ids its words begin at `at`.
   * @throws KilnError `resource_exhausted` for more values than points are allowed.
   */
  add(group: number, labels: number, timeMs: number, lo: number, hi: number, ids: Uint32Array, at: number): void {
    if (this.of === 'profiles') {
      const mask = this.#slots.length - 1;
      let slot = hash(group, ids[at]!, ids[at + 1]!) & mask;
      for (; this.#slots[slot] !== 0; slot = (slot + 1) & mask) {
        const entry = this.#slots[slot]! - 1;
        if (
          this.group[entry] === group &&
          this.timeMs[entry] === timeMs &&
          this.ids[entry * 2] === ids[at] &&
          this.ids[entry * 2 + 1] === ids[at + 1]
        ) {
          this.#join(entry, labels, lo, hi);
          return;
        }
      }
      this.#slots[slot] = this.#length + 1;
    }
    this.#append(group, labels, timeMs, lo, hi, ids, at);
  }

  #join(entry: number, labels: number, lo: number, hi: number): void {
    const sum = this.lo[entry]! + lo;
    const carry = sum >= SPILL ? 1 : 0;
    this.lo[entry] = sum - carry * SPILL;
    this.hi[entry] = this.hi[entry]! + hi + carry;
    const known = this.labels[entry]!;
    if (known !== labels) this.labels[entry] = this.labelLists.number(common(this.list(known), this.list(labels)));
  }

  #append(group: number, labels: number, timeMs: number, lo: number, hi: number, ids: Uint32Array, at: number): void {
    const entry = this.#length++;
    if (this.#length > this.#maxValues) refusePoints(this.#maxValues);
    if (entry === this.group.length) this.#grow(entry * 2);
    this.group[entry] = group;
    this.labels[entry] = labels;
    this.timeMs[entry] = timeMs;
    this.lo[entry] = lo;
    this.hi[entry] = hi;
    for (let word = 0; word < this.words; word++) this.ids[entry * this.words + word] = ids[at + word]!;
    if (this.of === 'profiles' && this.#length * 2 > this.#slots.length) this.#rehash();
  }

  list(number: number): readonly Label[] {
    return this.labelLists.sets[number]!;
  }

  write(writer: ByteWriter): void {
    writeLabelLists(writer, this.labelLists.sets);
    writer.varint(this.#length);
    for (let entry = 0, time = 0; entry < this.#length; entry++) {
      writer.varint(this.group[entry]!);
      writer.varint(this.labels[entry]!);
      writer.zigzag(this.timeMs[entry]! - time);
      time = this.timeMs[entry]!;
      writeExact(writer, this.lo[entry]!, this.hi[entry]!);
      for (let word = 0; word < this.words; word++) writer.u32(this.ids[entry * this.words + word]!);
    }
  }

  /**
   * Adds what `write` wrote.
   * @param target the groups as numbers of this table's. @param range that times lie in.
   */
  read(reader: ByteReader, target: Uint32Array, { startMs, endMs }: QueryRange): void {
    const lists = Uint32Array.from(readLabelLists(reader), (list) => this.labelLists.number(list));
    const count = reader.count(4 + this.words * 4);
    const value = { lo: new Float64Array(1), hi: new Float64Array(1) };
    const ids = new Uint32Array(this.words);
    for (let i = 0, time = 0; i < count; i++) {
      const group = reader.varint();
      const labels = reader.varint();
      time += reader.zigzag();
      if (group >= target.length) reader.fail(`group ${group} of ${target.length}`);
      if (labels >= lists.length) reader.fail(`label list ${labels} of ${lists.length}`);
      if (time < startMs || time > endMs) reader.fail(`time ${time} outside of ${startMs} to ${endMs}`);
      value.hi[0] = 0;
      readExact(reader, value.lo, value.hi, 0);
      for (let word = 0; word < this.words; word++) ids[word] = reader.u32();
      this.add(target[group]!, lists[labels]!, time, value.lo[0]!, value.hi[0], ids, 0);
    }
  }

  #grow(length: number): void {
    this.group = larger(Uint32Array, this.group, length);
    this.labels = larger(Uint32Array, this.labels, length);
    this.timeMs = larger(Float64Array, this.timeMs, length);
    this.lo = larger(Float64Array, this.lo, length);
    this.hi = larger(Float64Array, this.hi, length);
    this.ids = larger(Uint32Array, this.ids, length * this.words);
  }

  #rehash(): void {
    const slots = new Uint32Array(this.#slots.length * 2);
    const mask = slots.length - 1;
    for (let entry = 0; entry < this.#length; entry++) {
      let slot = hash(this.group[entry]!, this.ids[entry * 2]!, this.ids[entry * 2 + 1]!) & mask;
      while (slots[slot] !== 0) slot = (slot + 1) & mask;
      slots[slot] = entry + 1;
    }
    this.#slots = slots;
  }
}

/** Values that a new table has room for; a power of two. */
const FIRST = 16;

/** The labels that are in both. */
function common(a: readonly Label[], b: readonly Label[]): Label[] {
  return a.filter(({ name, value }) => b.some((other) => other.name === name && other.value === value));
}

function larger<T extends Uint32Array | Float64Array>(kind: new (length: number) => T, column: T, length: number): T {
  const copy = new kind(length);
  copy.set(column);
  return copy;
}

/** A profile has one time: it need not be mixed in. */
function hash(group: number, a: number, b: number): number {
  let h = Math.imul(group + 1, KEY) ^ Math.imul(a, OTHER_KEY) ^ Math.imul(b, 0x27d4eb2f);
  h ^= h >>> 15;
  h = Math.imul(h, 0x2c1b3c6d);
  return h ^ (h >>> 13);
}
