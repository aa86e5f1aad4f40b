/** A stream of numbers in [0, 1) that depends on its seed alone: mulberry32 over a mixed seed. */
export type Random = () => number;

/** Equal seeds give equal streams, on every machine. */
export function seededRandom(seed: number | string): Random {
  let state = 0x9e3779b9;
  for (const unit of String(seed)) state = Math.imul(state ^ unit.codePointAt(0)!, 0x85ebca6b) ^ (state >>> 13);
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/** A whole number in [0, below). */
export function pickIndex(random: Random, below: number): number {
  return Math.floor(random() * below);
}

/** One of the items. @throws RangeError when there are none */
export function pick<T>(random: Random, items: readonly T[]): T {
  if (items.length === 0) throw new RangeError('nothing to pick from');
  return items[pickIndex(random, items.length)]!;
}
