import { expect, test } from 'vitest';
import { seededRandom } from '@kiln/async';
import { hashName } from './name-table.ts';

const KNOWN = 0x01000193;
const BLOCK = 4;
/** Names that are chosen have one hash; 2^ROUNDS of them. */
const ROUNDS = 6;

test('names that were chosen to have one hash under a known key have many under a secret one', () => {
  const random = seededRandom(1);
  const chosen = colliding();
  const hashes = (key: number): number => new Set(chosen.map((name) => hashName(key, name, 0, name.length))).size;
  expect([chosen.length, hashes(KNOWN)]).toEqual([2 ** ROUNDS, 1]);
  for (let i = 0; i < 20; i++) expect(hashes(Math.floor(random() * 2 ** 32) | 1)).toBeGreaterThan(0.9 * 2 ** ROUNDS);
});

/** Each name is made of blocks, and for each place there are two that lead to the same state. */
function colliding(): Uint8Array[] {
  const names = [new Uint8Array(ROUNDS * BLOCK)];
  for (let round = 0; round < ROUNDS; round++) {
    const [one, other] = twoBlocks(names[0]!.slice(), round * BLOCK);
    for (const name of names.splice(0)) {
      for (const block of [one, other]) {
        const made = name.slice();
        setBlock(made, round * BLOCK, block);
        names.push(made);
      }
    }
  }
  return names;
}

/** Two blocks for one place of a name that do not change its hash; what follows them is 0. */
function twoBlocks(name: Uint8Array, at: number): [number, number] {
  const seen = new Map<number, number>();
  for (let block = 0; ; block++) {
    setBlock(name, at, block);
    const hash = hashName(KNOWN, name, 0, name.length);
    const other = seen.get(hash);
    if (other !== undefined) return [other, block];
    seen.set(hash, block);
  }
}

/** Different for each number, and in no order. */
function setBlock(name: Uint8Array, at: number, number: number): void {
  new DataView(name.buffer).setInt32(at, Math.imul(number, 0x9e3779b1));
}
