import { room } from '../scratch.ts';
import { IdIndex } from './id-index.ts';
import { PathTable } from './path-table.ts';
import { KEPT, NEGATIVE, ZERO, type PprofLocations, type PprofSamples } from './pprof.ts';
import { BYTES, malformed, rowOf, type Wire } from './wire.ts';

/** Tags: field number and wire type in one. */
const NUMBER_1 = 8;
const NUMBER_2 = 16;
const LIST_1 = 10;
const LIST_2 = 18;
const MESSAGE_3 = 26;

/** The samples of a pprof, read when its locations and value types are known. Columns are reused from file to file. */
export class SampleReader {
  readonly #wire: Wire;
  readonly #locationIds = new IdIndex();
  readonly #paths: PathTable;
  #samples = 0;
  #from = new Int32Array(64);
  #to = new Int32Array(64);
  #path = new Int32Array(64);
  #types = 0;
  /** Values are counted here while a sample is read. */
  #values = 0;
  #lo = new Float64Array(64);
  #hi = new Float64Array(0);
  #isWide = false;
  #state = new Uint8Array(64);
  #labelStart = new Int32Array(65);
  #labels = 0;
  #labelKey = new Int32Array(16);
  #labelText = new Int32Array(16);
  #hasTexts = false;

  constructor(wire: Wire) {
    this.#wire = wire;
    this.#paths = new PathTable(wire, this.#locationIds);
  }

  clear(): void {
    this.#samples = 0;
  }

  /** Hot: once per sample. Notes where a sample message lies. */
  add(from: number, to: number): void {
    const row = this.#samples++;
    if (row === this.#from.length) {
      this.#from = room(this.#from, row + 1);
      this.#to = room(this.#to, row + 1);
    }
    this.#from[row] = from;
    this.#to[row] = to;
  }

  /** Hot: reads the messages noted. @param types how many values a sample must have. */
  read(types: number, locations: PprofLocations): PprofSamples {
    const samples = this.#samples;
    this.#locationIds.build(locations.idLo, locations.idHi, locations.length);
    this.#paths.clear(samples);
    this.#path = room(this.#path, samples);
    this.#labelStart = room(this.#labelStart, samples + 1);
    this.#state = room(this.#state, samples);
    this.#types = types;
    this.#labels = 0;
    this.#hasTexts = false;
    this.#isWide = false;
    for (let sample = 0; sample < samples; sample++) {
      // Room is made as samples come: types times samples may be far more than the bytes can hold.
      if ((sample + 1) * types > this.#lo.length) this.#lo = room(this.#lo, (sample + 1) * types);
      this.#readSample(sample);
      if (this.#values !== types) {
        throw malformed(`sample ${sample} has ${this.#values} values, the profile has ${types} sample types`);
      }
      this.#labelStart[sample + 1] = this.#labels;
    }
    return {
      length: samples,
      path: this.#path,
      paths: this.#paths.paths(),
      lo: this.#lo,
      hi: this.#isWide ? this.#hi : undefined,
      state: this.#state,
      labelStart: this.#labelStart,
      labelKey: this.#labelKey,
      labelText: this.#labelText,
      hasTexts: this.#hasTexts,
    };
  }

  /** Hot: once per sample. */
  #readSample(sample: number): void {
    const wire = this.#wire;
    const bytes = wire.bytes;
    const paths = this.#paths;
    const to = this.#to[sample]!;
    let path = -1;
    let isOpen = false;
    this.#values = 0;
    this.#state[sample] = ZERO;
    let at = this.#from[sample]!;
    while (at < to) {
      let tag: number = bytes[at]!;
      if (tag === NUMBER_1 && path < 0 && !isOpen) {
        // Go writes up to two numbers one by one, some writers any: equal runs of such fields are found by their bytes as well.
        path = paths.ofRun(at, to);
        at = wire.at;
        continue;
      }
      let lo: number = at + 1 < to ? bytes[at + 1]! : 128;
      let hi = 0;
      if (lo < 128 && tag < 128 && tag > 7 && (tag & 5) === 0) at += 2;
      else {
        const second = at + 2 < to ? bytes[at + 2]! : 128;
        if (lo > 127 && second < 128 && tag < 128 && tag > 7 && (tag & 5) === 0) {
          lo = (lo & 127) | (second << 7);
          at += 3;
        } else {
          at = wire.slowField(at, to);
          tag = wire.tag;
          lo = wire.lo;
          hi = wire.hi;
        }
      }
      if (tag === NUMBER_2) this.#addValue(sample, lo, hi);
      else if ((tag & 7) === BYTES) {
        if (lo > to - at) wire.tooLong(at, lo, to);
        if (tag === LIST_1) {
          if (path < 0 && !isOpen) path = paths.ofList(at, at + lo);
          else {
            // Ids in several places: a path of the sample's own.
            if (!isOpen && path >= 0) paths.reopen(path);
            isOpen = true;
            paths.addList(at, at + lo);
          }
        } else if (tag === LIST_2) this.#readValues(sample, at, at + lo);
        else if (tag === MESSAGE_3) this.#readLabel(at, at + lo);
        at += lo;
      } else if (tag === NUMBER_1) {
        if (!isOpen && path >= 0) paths.reopen(path);
        isOpen = true;
        paths.add(lo, hi);
      }
    }
    if (isOpen) path = paths.close();
    else if (path < 0) path = paths.ofList(0, 0);
    this.#path[sample] = path;
  }

  /** Hot: once per value. A packed run of values. */
  #readValues(sample: number, from: number, to: number): void {
    const wire = this.#wire;
    const bytes = wire.bytes;
    let at = from;
    while (at < to) {
      const byte = bytes[at]!;
      if (byte < 128) {
        at++;
        this.#addValue(sample, byte, 0);
        continue;
      }
      wire.at = at;
      wire.varint(to);
      at = wire.at;
      this.#addValue(sample, wire.lo, wire.hi);
    }
  }

  /** Hot: once per value, given as the halves of an int64. */
  #addValue(sample: number, lo: number, hi: number): void {
    const types = this.#types;
    const at = this.#values++;
    if (at >= types) return;
    const slot = sample * types + at;
    if ((lo | hi) !== 0 && this.#state[sample] !== NEGATIVE) this.#state[sample] = hi < 0 ? NEGATIVE : KEPT;
    this.#lo[slot] = hi === 0 && lo >= 0 ? lo : (hi & 0xfffff) * 4294967296 + (lo >>> 0);
    if (hi >> 20 !== 0 || this.#isWide) this.#setHigh(slot, hi >> 20);
  }

  #setHigh(slot: number, high: number): void {
    if (!this.#isWide) this.#hi = room(this.#hi, this.#lo.length).fill(0);
    else if (slot >= this.#hi.length) this.#hi = room(this.#hi, this.#lo.length);
    this.#isWide = true;
    this.#hi[slot] = high;
  }

  #readLabel(from: number, to: number): void {
    const wire = this.#wire;
    const row = this.#labels++;
    if (row === this.#labelKey.length) {
      this.#labelKey = room(this.#labelKey, row + 1);
      this.#labelText = room(this.#labelText, row + 1);
    }
    let key = 0;
    let text = 0;
    const bytes = wire.bytes;
    let at = from;
    while (at < to) {
      let tag: number = bytes[at]!;
      let lo: number = at + 1 < to ? bytes[at + 1]! : 128;
      let hi = 0;
      if (lo < 128 && tag < 128 && tag > 7 && (tag & 5) === 0) at += 2;
      else {
        const second = at + 2 < to ? bytes[at + 2]! : 128;
        if (lo > 127 && second < 128 && tag < 128 && tag > 7 && (tag & 5) === 0) {
          lo = (lo & 127) | (second << 7);
          at += 3;
        } else {
          at = wire.slowField(at, to);
          tag = wire.tag;
          lo = wire.lo;
          hi = wire.hi;
        }
      }
      if (tag === NUMBER_1) key = rowOf(lo, hi);
      else if (tag === NUMBER_2) text = rowOf(lo, hi);
      else if ((tag & 7) === BYTES) {
        if (lo > to - at) wire.tooLong(at, lo, to);
        at += lo;
      }
    }
    this.#labelKey[row] = key;
    this.#labelText[row] = text;
    if (text !== 0) this.#hasTexts = true;
  }
}
