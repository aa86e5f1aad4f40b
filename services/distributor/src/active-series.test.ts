import { describe, expect, it } from 'vitest';
import { ManualClock } from '@kiln/async';
import { parseTenantId } from '@kiln/model';
import { noMetrics } from '@kiln/telemetry';
import { ActiveSeries } from './active-series.ts';

const [a, b] = [parseTenantId('a'), parseTenantId('b')];
const MINUTE = 60_000;

function gate(): {
  clock: ManualClock;
  series: ActiveSeries;
  /** Series of one profile each, or of several. */
  admit: (keys: (number | number[])[], limit?: number, tenant?: typeof a, weight?: number) => Promise<string>;
} {
  const clock = new ManualClock(1_800_000_000_000);
  const series = new ActiveSeries(clock, noMetrics);
  const admit = async (keys: (number | number[])[], limit = 3, tenant = a, weight = 1): Promise<string> => {
    const all = BigUint64Array.from(keys.flat(), BigInt);
    let end = 0;
    const ends = Uint32Array.from(keys, (key) => (end += [key].flat().length));
    const weights = new Uint32Array(all.length).fill(weight);
    return (await series.admit(tenant, { keys: all, weights, ends }, limit)).join('');
  };
  return { clock, series, admit };
}

describe('active series', () => {
  it('are admitted while they fit, known ones always, each tenant by itself', async () => {
    const { series, admit } = gate();
    expect(await admit([1, 2, 1])).toBe('111');
    expect(await admit([3, 4, 2])).toBe('101');
    expect(await admit([1, 2, 3, 4], 1)).toBe('1110');
    expect(await admit([1, 2, 3, 4], 3, b)).toBe('1110');
    expect(series.count).toBe(6);
  });

  it('weigh as much as they have value types', async () => {
    const { admit } = gate();
    expect(await admit([1], 5, a, 4)).toBe('1');
    expect(await admit([2], 5, a, 2)).toBe('0');
    expect(await admit([3], 5, a, 1)).toBe('1');
  });

  it('of a profile that does not fit as a whole take no room', async () => {
    const { series, admit } = gate();
    expect(await admit([1, [2, 3, 4], [1, 1], [5, 6]])).toBe('1011');
    expect(series.count).toBe(3);
    expect(await admit([[5, 1, 6], 2])).toBe('10');
  });

  it('are forgotten within an hour of their last profile, not within half of one', async () => {
    const { clock, series, admit } = gate();
    await admit([1, 2, 3]);
    await clock.advance(29 * MINUTE);
    expect(await admit([3, 4])).toBe('10');
    await clock.advance(2 * MINUTE);
    expect(await admit([4, 3])).toBe('01');
    await clock.advance(29 * MINUTE);
    expect(await admit([4, 5, 6])).toBe('110');
    await clock.advance(120 * MINUTE);
    expect(series.count).toBe(0);
  });
});
