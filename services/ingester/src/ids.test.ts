import { expect, test } from 'vitest';
import { ID_BYTES, Ids, IDS_KEPT_MS } from './ids.ts';

const MINUTE = 60_000;

/** The id numbered `n`: only two bytes differ, so that slots collide often. */
function id(n: number): Uint8Array {
  const bytes = new Uint8Array(ID_BYTES);
  bytes[3] = n & 255;
  bytes[12] = n >> 8;
  return bytes;
}

/** Mulberry32: seeded numbers in [0, 1). */
function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

test('a copy inside the window of the kept one is dropped and extends nothing', () => {
  const ids = new Ids(1);
  const keep = (minute: number): boolean => ids.keep(id(7), 0, minute * MINUTE, 71 * MINUTE);
  expect([keep(0), keep(0), keep(70), keep(71), keep(72), keep(141), keep(142)]).toEqual([
    true,
    false,
    false,
    true,
    false,
    false,
    true,
  ]);
  expect(ids.dropped).toBe(4);
});

test('the window of the kept one decides, not that of the copy, and is at most two hours', () => {
  const ids = new Ids(1);
  expect(ids.keep(id(1), 0, 0, 10 * MINUTE)).toBe(true);
  expect(ids.keep(id(1), 0, 11 * MINUTE, 99 * MINUTE)).toBe(true);
  expect(ids.keep(id(1), 0, 109 * MINUTE, MINUTE)).toBe(false);
  expect(ids.keep(id(2), 0, 110 * MINUTE, 1e12)).toBe(true);
  expect(ids.keep(id(2), 0, 110 * MINUTE + IDS_KEPT_MS - 1, 1)).toBe(false);
  expect(ids.keep(id(2), 0, 110 * MINUTE + IDS_KEPT_MS, 1)).toBe(true);
});

test('decides as a plain map does, over many ids, windows and hours', () => {
  const next = random(42);
  const ids = new Ids(99);
  const model = new Map<number, { appendMs: number; windowMs: number }>();
  let appendMs = 1_700_000_000_000;
  for (let i = 0; i < 60_000; i++) {
    appendMs += Math.floor(next() * 1200);
    const n = Math.floor(next() * 9000);
    const windowMs = [MINUTE, 71 * MINUTE, IDS_KEPT_MS][n % 3]!;
    const known = model.get(n);
    const want = known === undefined || appendMs - known.appendMs >= known.windowMs;
    if (want) model.set(n, { appendMs, windowMs });
    expect(ids.keep(id(n), 0, appendMs, windowMs), `decision ${i}`).toBe(want);
  }
  expect(ids.length).toBeLessThan(ids.mark);
});

test('what was kept between two marks comes out in log order and decides alike when loaded elsewhere', () => {
  const next = random(3);
  const ids = new Ids(5);
  const other = new Ids(6);
  let appendMs = 5_000_000;
  const marks = [0];
  for (let i = 0; i < 3000; i++) {
    appendMs += Math.floor(next() * 2000);
    ids.keep(id(Math.floor(next() * 2000)), 0, appendMs, (30 + (i % 60)) * MINUTE);
    if (i % 500 === 499) marks.push(ids.mark);
  }
  for (let m = 1; m < marks.length; m++) {
    const part = ids.between(marks[m - 1]!, marks[m]!);
    expect(part.length).toBe(marks[m]! - marks[m - 1]!);
    expect([...part.appendMs]).toEqual([...part.appendMs].toSorted((a, b) => a - b));
    other.load(part, appendMs);
    other.load(part, appendMs);
  }
  expect(other.length).toBe(ids.length);
  for (let n = 0; n < 2000; n++) {
    const later = appendMs + 10 * MINUTE;
    expect(other.keep(id(n), 0, later, MINUTE)).toBe(ids.keep(id(n), 0, later, MINUTE));
  }
});

test('bytes grow with the ids and go when they are two hours old', () => {
  const ids = new Ids(1);
  expect(ids.byteLength).toBeLessThan(1000);
  for (let n = 0; n < 20_000; n++) ids.keep(id(n), 0, n, IDS_KEPT_MS);
  expect(ids.length).toBe(20_000);
  expect(ids.byteLength).toBeGreaterThan(20_000 * 22);
  expect(ids.byteLength).toBeLessThan(20_000 * 56);
  ids.keep(id(1), 0, 30_000 + IDS_KEPT_MS, IDS_KEPT_MS);
  expect(ids.length).toBe(1);
  expect(ids.byteLength).toBeLessThan(2000);
});
