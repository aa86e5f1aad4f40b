import { describe, expect, test } from 'vitest';
import { seededRandom } from '@kiln/async';
import { hashBytes, hashKeys, hashPair } from './hash.ts';
import { SlottedColumns } from './slotted-columns.ts';
import { StringTable } from './string-table.ts';

/** What an attacker can do who knows a seed: content whose hashes all meet in one of 4,096 slots. */
const KNOWN = 0;
const SLOTS = 4096;
const random = seededRandom(1);
const secrets = Array.from({ length: 20 }, () => Math.floor(random() * 2 ** 32) | 0);

/** Distinct slots of the same content under another seed, as a share of what equally many hashes by chance would have. */
function spread(slots: readonly number[]): number {
  const byChance = SLOTS * (1 - (1 - 1 / SLOTS) ** slots.length);
  return new Set(slots.map((slot) => slot & (SLOTS - 1))).size / byChance;
}

describe('content that was chosen to meet in one slot under a known seed', () => {
  test('is spread under a secret one: strings', () => {
    const chosen: DataView[] = [];
    for (let i = 0; chosen.length < 200; i++) {
      const bytes = new TextEncoder().encode(`main.function_${i}`);
      const view = new DataView(bytes.buffer);
      if ((hashBytes(hashKeys(KNOWN), view, 0, bytes.length) & (SLOTS - 1)) === 7) chosen.push(view);
    }
    for (const seed of secrets)
      expect(spread(chosen.map((view) => hashBytes(hashKeys(seed), view, 0, view.byteLength)))).toBeGreaterThan(0.85);
  });

  test('is spread under a secret one: pairs of rows', () => {
    const chosen: [number, number][] = [];
    for (let a = 1; chosen.length < 200; a++)
      for (let b = 1; b < 2_000 && chosen.length < 200; b++)
        if ((hashPair(hashKeys(KNOWN), a, b) & (SLOTS - 1)) === 7) chosen.push([a, b]);
    for (const seed of secrets)
      expect(spread(chosen.map(([a, b]) => hashPair(hashKeys(seed), a, b)))).toBeGreaterThan(0.85);
  });
});

describe('a table', () => {
  test('is never fuller than three quarters, so that a search finds a free slot soon', () => {
    class Watched extends StringTable {
      get load(): number {
        return this.words.subarray(0, this.slots).filter((slot) => slot !== 0).length / this.slots;
      }
    }
    const table = new Watched(hashKeys(secrets[0]!));
    for (let i = 0; i < 3_000; i++) {
      const bytes = new TextEncoder().encode(String(i));
      table.intern(new DataView(bytes.buffer), 0, bytes.length);
      expect(table.load).toBeLessThanOrEqual(0.75);
    }
    expect(table).toBeInstanceOf(SlottedColumns); // which all tables of symbols grow by
  });

  test('a guess saves the search and changes no row, whatever it is', () => {
    const texts = [
      'a',
      'ab',
      'abcde',
      'abcdf',
      'a string of more than eight bytes',
      'a string of more than eight bytez',
    ];
    const bytes = texts.map((text) => new TextEncoder().encode(text));
    const table = new StringTable(hashKeys(secrets[0]!));
    for (const text of bytes) table.intern(new DataView(text.buffer), 0, text.length);
    for (const [i, text] of bytes.entries())
      for (const guess of [0, 1, 2, 3, 4, 5, 6, 7, 2 ** 31, 2 ** 32 - 1])
        expect(table.intern(new DataView(text.buffer), 0, text.length, guess), `${texts[i]}, guess ${guess}`).toBe(
          i + 1,
        );
  });
});
