import { LabelSetTable, type Label, type LabelSet } from '@kiln/model';
import type { SeriesLabels } from './labels.ts';
import { textOf, type Pprof } from './pprof/pprof.ts';
import { MAX_PROBES, refuseCollisions, room, slotCount } from './scratch.ts';

/** What a label key of the file means; UNKNOWN until it is first met. */
const UNKNOWN = 0;
const PLAIN = 1;
const SPAN_ID = 2;
const TRACE_ID = 3;
const PROFILE_ID = 4;
const meanings: Readonly<Record<string, number>> = { span_id: SPAN_ID, profile_id: PROFILE_ID, trace_id: TRACE_ID };

/** Instead of a group: the label list has none yet, or a rule drops its samples. */
const PENDING = -2;
const DROPPED = -1;

/** Words of an id entry: span id, then both halves of the trace id, each 64 bits, low word first. */
export const ID_WORDS = 6;

/**
 * The labels of the samples of one profile: groups by series, ids apart (contract/pyroscope.md §4.5). A numeric label counts for nothing; one that is
 * named like an id never makes a series, also when it is no id.
 */
export class SampleLabels {
  /** ID_WORDS for each entry made by `ids`. */
  idWords: Int32Array<ArrayBuffer> = new Int32Array(0);
  #entries = 0;
  readonly #pprof: Pprof;
  readonly #series: SeriesLabels;
  /** Sample label texts are cut like any string. */
  readonly #cut: (text: string) => string;
  readonly #meaning: Uint8Array;
  readonly #groups = new LabelSetTable();
  /** Distinct label lists met so far: a sample that has it, its hash and its group; slots hold row + 1. */
  #lists = 0;
  #listSample = new Int32Array(16);
  #listHash = new Int32Array(16);
  #listGroup = new Int32Array(16);
  /** Of lists without a group yet. */
  readonly #pending = new Map<number, LabelSet>();
  #slots = new Int32Array(64);

  constructor(pprof: Pprof, series: SeriesLabels, cut: (text: string) => string) {
    this.#pprof = pprof;
    this.#series = series;
    this.#cut = cut;
    this.#meaning = new Uint8Array(pprof.samples.labelStart[pprof.samples.length] === 0 ? 0 : pprof.strings.length);
  }

  /** Labels of each group: one group per series. */
  get groups(): readonly LabelSet[] {
    return this.#groups.sets;
  }

  /** Hot: once per sample. The group of a sample by its plain string labels; of one that is not dropped. */
  groupOf(sample: number): number {
    const list = this.#listOf(sample);
    const group = this.#listGroup[list]!;
    return group >= 0 ? group : this.#settle(list);
  }

  /** Whether a relabelling rule drops a sample. */
  isDropped(sample: number): boolean {
    return this.#listGroup[this.#listOf(sample)] === DROPPED;
  }

  #listOf(sample: number): number {
    const { labelStart, labelKey, labelText } = this.#pprof.samples;
    const to = labelStart[sample + 1]!;
    let hash = 0x2c1b3c6d;
    for (let i = labelStart[sample]!; i < to; i++) {
      if (labelText[i] === 0 || this.#meaningOf(labelKey[i]!) !== PLAIN) continue;
      hash = Math.imul(hash ^ labelKey[i]!, 0x9e3779b1);
      hash = Math.imul(hash ^ (hash >>> 15) ^ labelText[i]!, 0x85ebca6b);
    }
    hash ^= hash >>> 13;
    const mask = this.#slots.length - 1;
    let slot = hash & mask;
    let probes = 0;
    for (let list = this.#slots[slot]! - 1; list >= 0; list = this.#slots[slot]! - 1) {
      if (this.#listHash[list] === hash && this.#hasSameLabels(sample, this.#listSample[list]!)) {
        return list;
      }
      if (++probes > MAX_PROBES) refuseCollisions('sample labels');
      slot = (slot + 1) & mask;
    }
    return this.#addList(slot, hash, sample);
  }

  /** Hot: once per sample. The entry of a sample's ids, -1 when it has none. Of a name that comes twice the last counts, `profile_id` before `span_id`. */
  ids(sample: number): number {
    const { labelStart, labelKey, labelText } = this.#pprof.samples;
    const to = labelStart[sample + 1]!;
    let span = 0;
    let profile = 0;
    let trace = 0;
    for (let i = labelStart[sample]!; i < to; i++) {
      const text = labelText[i]!;
      if (text === 0) continue;
      const meaning = this.#meaningOf(labelKey[i]!);
      if (meaning === SPAN_ID) span = text;
      else if (meaning === PROFILE_ID) profile = text;
      else if (meaning === TRACE_ID) trace = text;
    }
    if (profile !== 0) span = profile;
    const hasSpan = span !== 0 && this.#isId(span, 16);
    const hasTrace = trace !== 0 && this.#isId(trace, 32);
    if (!hasSpan && !hasTrace) return -1;
    const entry = this.#addEntry();
    const at = entry * ID_WORDS;
    if (hasSpan) this.#readNumber(span, 0, at);
    if (hasTrace) {
      this.#readNumber(trace, 0, at + 2);
      this.#readNumber(trace, 16, at + 4);
    }
    return entry;
  }

  #meaningOf(key: number): number {
    const known = this.#meaning[key]!;
    if (known !== UNKNOWN) return known;
    const name = textOf(this.#pprof, key);
    const meaning = Object.hasOwn(meanings, name) ? meanings[name]! : PLAIN;
    this.#meaning[key] = meaning;
    return meaning;
  }

  /** Whether two samples have the same plain labels in the same order. */
  #hasSameLabels(a: number, b: number): boolean {
    const { labelStart, labelKey, labelText } = this.#pprof.samples;
    let i = this.#nextPlain(labelStart[a]!, labelStart[a + 1]!);
    let j = this.#nextPlain(labelStart[b]!, labelStart[b + 1]!);
    while (i >= 0 && j >= 0) {
      if (labelKey[i] !== labelKey[j] || labelText[i] !== labelText[j]) return false;
      i = this.#nextPlain(i + 1, labelStart[a + 1]!);
      j = this.#nextPlain(j + 1, labelStart[b + 1]!);
    }
    return i === j;
  }

  #nextPlain(from: number, to: number): number {
    const { labelKey, labelText } = this.#pprof.samples;
    for (let i = from; i < to; i++) if (labelText[i] !== 0 && this.#meaningOf(labelKey[i]!) === PLAIN) return i;
    return -1;
  }

  #addList(slot: number, hash: number, sample: number): number {
    const list = this.#lists++;
    if (list === this.#listSample.length) {
      this.#listSample = room(this.#listSample, list + 1);
      this.#listHash = room(this.#listHash, list + 1);
      this.#listGroup = room(this.#listGroup, list + 1);
    }
    const labels = this.#series.with(this.#plainLabels(sample));
    if (labels !== undefined) this.#pending.set(list, labels);
    this.#listSample[list] = sample;
    this.#listHash[list] = hash;
    this.#listGroup[list] = labels === undefined ? DROPPED : PENDING;
    this.#slots[slot] = list + 1;
    if (this.#lists * 2 > this.#slots.length) this.#rehash();
    return list;
  }

  /** Gives a list its group: only one with a sample that is stored has any. Labels that lose against the push's own leave lists that are one series. */
  #settle(list: number): number {
    const group = this.#groups.number(this.#pending.get(list)!);
    this.#pending.delete(list);
    this.#listGroup[list] = group;
    return group;
  }

  #rehash(): void {
    this.#slots = new Int32Array(slotCount(this.#lists * 2));
    const mask = this.#slots.length - 1;
    for (let list = 0; list < this.#lists; list++) {
      let slot = this.#listHash[list]! & mask;
      while (this.#slots[slot] !== 0) slot = (slot + 1) & mask;
      this.#slots[slot] = list + 1;
    }
  }

  #plainLabels(sample: number): Label[] {
    const { labelStart, labelKey, labelText } = this.#pprof.samples;
    const labels: Label[] = [];
    const to = labelStart[sample + 1]!;
    for (let i = this.#nextPlain(labelStart[sample]!, to); i >= 0; i = this.#nextPlain(i + 1, to)) {
      labels.push({
        name: this.#cut(textOf(this.#pprof, labelKey[i]!)),
        value: this.#cut(textOf(this.#pprof, labelText[i]!)),
      });
    }
    return labels;
  }

  #addEntry(): number {
    const entry = this.#entries++;
    this.idWords = room(this.idWords, (entry + 1) * ID_WORDS);
    this.idWords.fill(0, entry * ID_WORDS, (entry + 1) * ID_WORDS);
    return entry;
  }

  /** Hex of the length of an id, and not all zeros: zeros mean no id. */
  #isId(row: number, digits: number): boolean {
    const { bytes, strings } = this.#pprof;
    const from = strings.from[row]!;
    if (strings.to[row]! - from !== digits) return false;
    let all = 0;
    for (let i = from; i < from + digits; i++) {
      const digit = hexDigit(bytes[i]!);
      if (digit < 0) return false;
      all |= digit;
    }
    return all !== 0;
  }

  /**
   * Sixteen hex digits as a number, first digit highest, into two words. The reference reads a span id as 8 bytes, little endian
   * (contract/pyroscope.md §4.5); nobody sees that number, and this one prints as it came.
   */
  #readNumber(row: number, digit: number, at: number): void {
    const { bytes, strings } = this.#pprof;
    const from = strings.from[row]! + digit;
    this.idWords[at] = hexWord(bytes, from + 8);
    this.idWords[at + 1] = hexWord(bytes, from);
  }
}

function hexDigit(byte: number): number {
  if (byte >= 48 && byte <= 57) return byte - 48;
  const lower = byte | 32;
  return lower >= 97 && lower <= 102 ? lower - 87 : -1;
}

/** Eight hex digits as a number, first digit highest. */
function hexWord(bytes: Uint8Array, from: number): number {
  let word = 0;
  for (let i = from; i < from + 8; i++) word = (word << 4) | hexDigit(bytes[i]!);
  return word;
}
