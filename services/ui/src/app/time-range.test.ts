import { describe, expect, it } from 'vitest';
import { agoText, rangeText, readStamp, readTime, resolveRange, stamp, stepOf } from './time-range.ts';

const NOW = 1_795_976_000_123;

describe('a time of an address', () => {
  it('is now, counted back from now, or Unix milliseconds', () => {
    expect(readTime('now', NOW)).toBe(NOW);
    expect(readTime('now-1h30m', NOW)).toBe(NOW - 5_400_000);
    expect(readTime('now-1h-30m', NOW)).toBe(NOW - 5_400_000);
    expect(readTime('now-2w', NOW)).toBe(NOW - 14 * 86_400_000);
    expect(readTime('1795975880481', NOW)).toBe(1_795_975_880_481);
    expect(readTime('1795975880', NOW)).toBe(1_795_975_880_000);
  });

  it('is all that the API takes: seconds to nanoseconds, a day of UTC, and what lies ahead', () => {
    expect(readTime('1795975880481000', NOW)).toBe(1_795_975_880_481);
    expect(readTime('1795975880481999999', NOW)).toBe(1_795_975_880_481);
    expect(readTime('20261129', NOW)).toBe(Date.UTC(2026, 10, 29));
    expect(readTime('12', NOW)).toBe(12_000);
    expect(readTime('now+1h', NOW)).toBe(NOW + 3_600_000);
    expect(readTime('now-1hour30minutes', NOW)).toBe(NOW - 5_400_000);
    expect(readTime('now-2months', NOW)).toBe(NOW - 2 * 2_592_000_000);
    expect(readTime('now-2M1min', NOW)).toBe(NOW - 2 * 2_592_000_000 - 60_000);
    expect(readTime('now-1fortnight', NOW)).toBeUndefined();
  });

  it('is nothing else', () => {
    for (const text of [
      '',
      'yesterday',
      'now1h',
      'now-',
      'now-1',
      '-5',
      '1.5',
      '1'.repeat(15),
      '1'.repeat(20),
      '2026-11-29',
      '20261329',
      '20260230',
    ]) {
      expect(readTime(text, NOW), text).toBeUndefined();
    }
  });
});

describe('a range', () => {
  it('counted back from now begins at the edge of a step of its timeline, and holds what was asked for', () => {
    for (const [from, ms] of [
      ['now-5m', 300_000],
      ['now-1h', 3_600_000],
      ['now-7d', 604_800_000],
    ] as const) {
      const range = resolveRange(from, 'now', NOW);
      if (typeof range === 'string') throw new Error(range);
      const step = stepOf(ms);
      expect((range.fromMs - 1) % step).toBe(0);
      expect(range.fromMs).toBeLessThanOrEqual(NOW - ms + 1);
      expect(range.fromMs).toBeGreaterThan(NOW - ms - step);
      expect(range.untilMs).toBe(NOW);
    }
  });

  it('of two points in time is kept as it is', () => {
    expect(resolveRange('1795975880481', '1795975894519', NOW)).toEqual({
      fromMs: 1_795_975_880_481,
      untilMs: 1_795_975_894_519,
    });
  });

  it('that is none is said in a sentence', () => {
    expect(resolveRange('soon', 'now', NOW)).toMatch(/“from” is "soon": want/);
    expect(resolveRange('now-1h', 'later', NOW)).toMatch(/“until” is "later": want/);
    expect(resolveRange('now', 'now-1h', NOW)).toMatch(/ends .* before it begins/);
  });

  it('is told by its usual name', () => {
    for (const hour of ['now-1h', 'now-60m', 'now-1hour']) expect(rangeText(hour, 'now')).toBe('Last 1 hour');
    expect(rangeText('now-90m', 'now')).toBe('Last 90m');
    expect(rangeText(String(NOW - 1000), String(NOW))).toBe(`${stamp(NOW - 1000)} – ${stamp(NOW)}`);
    expect(rangeText('20261329', 'now+1h')).toBe('20261329 – now+1h');
  });
});

it('a timeline has enough steps to see something, and few enough to draw', () => {
  for (let ms = 60_000; ms < 400 * 86_400_000; ms *= 1.3) {
    const steps = ms / stepOf(ms);
    expect(steps).toBeLessThanOrEqual(180);
    if (ms > 3_600_000) expect(steps).toBeGreaterThan(25);
  }
});

it('what is shown of a time is read back, to the second', () => {
  const ms = Math.floor(NOW / 1000) * 1000;
  expect(readStamp(stamp(ms))).toBe(ms);
  expect(readStamp(stamp(ms).slice(0, 16))).toBe(Math.floor(ms / 60_000) * 60_000);
  for (const text of ['2026-02-30', '2026-13-01', '18:00', 'now']) expect(readStamp(text), text).toBeUndefined();
});

it('what was a while ago is told in one unit, what lies ahead is now', () => {
  expect([-5, 59_000, 61_000, 7_300_000, 200_000_000].map(agoText)).toEqual([
    'just now',
    'just now',
    '1 min ago',
    '2 h ago',
    '2 d ago',
  ]);
});
