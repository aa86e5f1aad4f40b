import { CorruptDataError } from '@kiln/bytes';
import { KilnError } from '@kiln/model';
import { plainBytes } from './codec.ts';
import type { Place } from './region.ts';

/**
 * The bytes of a part that are at hand: all of them, or what a reader fetched because it needs no more. Offsets count from the part's start.
 * Asking for others is the caller's mistake: `missing` tells what to fetch.
 */
export class PartBytes {
  /** Of the whole part. */
  readonly length: number;
  /** Sorted by place; none overlaps another. */
  #pieces: readonly Piece[] = [];

  constructor(length: number) {
    this.length = length;
  }

  static whole(bytes: Uint8Array): PartBytes {
    const all = new PartBytes(bytes.length);
    all.add(0, bytes);
    return all;
  }

  /** Bytes that were fetched, none of which is at hand already. @throws CorruptDataError when they reach beyond the part. */
  add(off: number, bytes: Uint8Array): void {
    if (off + bytes.length > this.length)
      throw new CorruptDataError('part', off, `${bytes.length} bytes in a part of ${this.length}`);
    this.#pieces = [...this.#pieces, { off, bytes: plainBytes(bytes) }].toSorted((a, b) => a.off - b.off);
  }

  /** A view where one piece holds them all, else a copy. @throws CorruptDataError when the part ends before, KilnError `internal` for bytes that are not at hand. */
  take({ off, len }: Place): Uint8Array {
    if (off < 0 || off + len > this.length)
      throw new CorruptDataError('part', off, `${len} bytes at ${off} in a part of ${this.length}`);
    const holds = this.#pieces.find((piece) => piece.off <= off && off + len <= endOf(piece));
    if (holds !== undefined) return holds.bytes.subarray(off - holds.off, off - holds.off + len);
    const joined = new Uint8Array(len);
    let at = off;
    for (const piece of this.#pieces) {
      if (piece.off > at || at >= off + len) break;
      if (endOf(piece) <= at) continue;
      const own = piece.bytes.subarray(at - piece.off, off + len - piece.off);
      joined.set(own, at - off);
      at += own.length;
    }
    if (at < off + len) throw new KilnError('internal', `bytes ${at} to ${off + len} of a part were not fetched`);
    return joined;
  }

  has(place: Place): boolean {
    return this.missing([place]).length === 0;
  }

  /**
   * What is not at hand of some places, as ranges to fetch: sorted, apart, joined where no more than `gap` bytes lie between two.
   * @param gap bytes that cost less than a request of their own.
   */
  missing(places: readonly Place[], gap = 0): Place[] {
    const ranges: { off: number; len: number }[] = [];
    for (const hole of this.#holes()) {
      for (const place of places.toSorted((a, b) => a.off - b.off)) {
        const off = Math.max(hole.off, place.off);
        const end = Math.min(hole.off + hole.len, place.off + place.len);
        if (end <= off) continue;
        const last = ranges.at(-1);
        if (last !== undefined && last.off >= hole.off && off <= last.off + last.len + gap)
          last.len = Math.max(last.len, end - last.off);
        else ranges.push({ off, len: end - off });
      }
    }
    return ranges;
  }

  /** What no piece holds. */
  #holes(): Place[] {
    const holes: Place[] = [];
    let at = 0;
    for (const piece of this.#pieces) {
      if (piece.off > at) holes.push({ off: at, len: piece.off - at });
      at = endOf(piece);
    }
    if (at < this.length) holes.push({ off: at, len: this.length - at });
    return holes;
  }
}

interface Piece {
  readonly off: number;
  readonly bytes: Uint8Array;
}

function endOf({ off, bytes }: Piece): number {
  return off + bytes.length;
}
