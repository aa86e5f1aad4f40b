/** A number in [0, 1), as Math.random: real at the edges, seeded in tests. Not for secrets. */
export type Random = () => number;

/** The same numbers for the same seed, everywhere: a counter, mixed by the 32-bit finalizer of MurmurHash3 with other constants ("lowbias32"). */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x9e3779b9) >>> 0;
    const high = mix(state) >>> 5; // 27 bits
    const low = mix(state ^ 0x5bd1e995) >>> 6; // 26 bits
    return (high * 67108864 + low) / 9007199254740992;
  };
}

function mix(value: number): number {
  let h = value;
  h ^= h >>> 16;
  h = Math.imul(h, 0x7feb352d);
  h ^= h >>> 15;
  h = Math.imul(h, 0x846ca68b);
  h ^= h >>> 16;
  return h >>> 0;
}
