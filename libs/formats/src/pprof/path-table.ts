import { equalBytes, hashBytes } from '../byte-hash.ts';
import { MAX_PROBES, refuseCollisions, room, slotCount } from '../scratch.ts';
import type { IdIndex } from './id-index.ts';
import type { PprofPaths } from './pprof.ts';
import type { Wire } from './wire.ts';

/**
 * The lists of location ids that samples have. Many samples have the same: a packed list is looked up by its bytes first, and read only when it is new.
 * Reused from file to file.
 */
export class PathTable {
  readonly #wire: Wire;
  readonly #locationIds: IdIndex;
  #paths = 0;
  #frameStart = new Int32Array(65);
  #frames = 0;
  #frame = new Int32Array(1024);
  /** Of lists found by their bytes: where they lie, their hash and path. Slots hold list + 1. */
  #lists = 0;
  #listFrom = new Int32Array(64);
  #listLength = new Int32Array(64);
  #listHash = new Int32Array(64);
  #listPath = new Int32Array(64);
  #slots = new Int32Array(128);
  #mask = 127;

  constructor(wire: Wire, locationIds: IdIndex) {
    this.#wire = wire;
    this.#locationIds = locationIds;
  }

  /** Forgets all. @param samples how many lists may come, at most. */
  clear(samples: number): void {
    this.#paths = 0;
    this.#frames = 0;
    this.#lists = 0;
    const size = slotCount(samples);
    if (this.#slots.length < size) this.#slots = new Int32Array(size);
    else this.#slots.fill(0, 0, size);
    this.#mask = size - 1;
    this.#listFrom = room(this.#listFrom, samples);
    this.#listLength = room(this.#listLength, samples);
    this.#listHash = room(this.#listHash, samples);
    this.#listPath = room(this.#listPath, samples);
    this.#frameStart = room(this.#frameStart, samples * 2 + 1);
  }

  paths(): PprofPaths {
    return { length: this.#paths, frameStart: this.#frameStart, frame: this.#frame };
  }

  /** Hot: once per sample. The path of a packed list of ids; bytes that were seen before are not read again. */
  ofList(from: number, to: number): number {
    return this.#find(from, to, false);
  }

  /** The path of ids that stand one by one, each behind its tag, from `from` on; leaves the cursor behind the last. */
  ofRun(from: number, end: number): number {
    const wire = this.#wire;
    const bytes = wire.bytes;
    const tag = bytes[from]!;
    let at = from;
    while (at < end && bytes[at] === tag) {
      at++;
      while (at < end && bytes[at]! > 127) at++;
      at++;
    }
    if (at > end) {
      wire.at = end;
      wire.fail('a number without end');
    }
    const path = this.#find(from, at, true);
    wire.at = at;
    return path;
  }

  #find(from: number, to: number, isRun: boolean): number {
    const view = this.#wire.view;
    const length = to - from;
    const hash = hashBytes(view, from, to);
    // Lists and runs may have equal bytes: the sign of the length keeps them apart.
    const key = isRun ? -length : length;
    let slot = hash & this.#mask;
    let probes = 0;
    for (let list = this.#slots[slot]! - 1; list >= 0; list = this.#slots[slot]! - 1) {
      if (
        this.#listHash[list] === hash &&
        this.#listLength[list] === key &&
        equalBytes(view, this.#listFrom[list]!, view, from, length)
      ) {
        return this.#listPath[list]!;
      }
      if (++probes > MAX_PROBES) refuseCollisions('location lists');
      slot = (slot + 1) & this.#mask;
    }
    if (isRun) this.#addRun(from, to);
    else this.addList(from, to);
    const path = this.close();
    const list = this.#lists++;
    this.#listFrom[list] = from;
    this.#listLength[list] = key;
    this.#listHash[list] = hash;
    this.#listPath[list] = path;
    this.#slots[slot] = list + 1;
    return path;
  }

  #addRun(from: number, to: number): void {
    const wire = this.#wire;
    wire.at = from;
    while (wire.at < to) {
      wire.at++;
      wire.varint(to);
      this.add(wire.lo, wire.hi);
    }
  }

  /** Starts a path of its own with the frames of another: for the rare sample whose ids come in several fields. */
  reopen(path: number): void {
    const from = this.#frameStart[path]!;
    const to = this.#frameStart[path + 1]!;
    this.#frame = room(this.#frame, this.#frames + (to - from));
    this.#frame.copyWithin(this.#frames, from, to);
    this.#frames += to - from;
  }

  /** Appends an id to the open path. */
  add(lo: number, hi: number): void {
    if (this.#frames === this.#frame.length) this.#frame = room(this.#frame, this.#frames + 1);
    this.#frame[this.#frames++] = this.#locationIds.row(lo, hi) + 1;
  }

  /** Ends the open path and returns its row. */
  close(): number {
    this.#frameStart[this.#paths + 1] = this.#frames;
    return this.#paths++;
  }

  /** Hot: once per frame. Appends a packed list to the open path. */
  addList(from: number, to: number): void {
    const wire = this.#wire;
    const bytes = wire.bytes;
    // No id is shorter than a byte.
    if (this.#frames + (to - from) > this.#frame.length) this.#frame = room(this.#frame, this.#frames + (to - from));
    const frame = this.#frame;
    const index = this.#locationIds;
    const dense = index.slots;
    const size = index.isDense ? index.size : 0;
    let frames = this.#frames;
    let at = from;
    while (at < to) {
      // Ids of one or two bytes are nearly all.
      let id = bytes[at++]!;
      if (id > 127) {
        const second = at < to ? bytes[at]! : 128;
        if (second > 127) {
          wire.at = at - 1;
          wire.varint(to);
          at = wire.at;
          frame[frames++] = index.row(wire.lo, wire.hi) + 1;
          continue;
        }
        id = (id & 127) | (second << 7);
        at++;
      }
      frame[frames++] = id < size ? dense[id]! : index.row(id, 0) + 1;
    }
    this.#frames = frames;
  }
}
