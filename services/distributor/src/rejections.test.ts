import { describe, expect, it } from 'vitest';
import { ManualClock } from '@kiln/async';
import { KilnError, parseTenantId, type Code, type TenantId } from '@kiln/model';
import { KEPT_REJECTIONS, Rejections } from './rejections.ts';

const START = 1_800_000_000_000;
const [red, blue] = [parseTenantId('red'), parseTenantId('blue')];

function refusal(message: string, about?: string, code: Code = 'invalid_argument'): KilnError {
  return new KilnError(code, message, { reason: 'why', ...(about === undefined ? {} : { about }) });
}

describe('the last refused pushes', () => {
  it('are one entry per cause, with the newest sentence, the first and the last time, and how often', async () => {
    const clock = new ManualClock(START);
    const rejections = new Rejections(clock);
    rejections.note(red, refusal('found 12 bytes, limit 10', 'shop'));
    await clock.advance(1_000);
    rejections.note(red, refusal('another cause', 'shop'));
    await clock.advance(1_000);
    rejections.note(red, refusal('found 999 bytes, limit 10', 'shop'));
    rejections.note(red, refusal('found 999 bytes, limit 10', 'pay'));
    expect(
      rejections
        .of(red)
        .map(({ message, service, times, firstMs, lastMs }) => [
          message,
          service,
          times,
          firstMs - START,
          lastMs - START,
        ]),
    ).toEqual([
      ['found 999 bytes, limit 10', 'pay', 1, 2_000, 2_000],
      ['found 999 bytes, limit 10', 'shop', 2, 0, 2_000],
      ['another cause', 'shop', 1, 1_000, 1_000],
    ]);
    expect(rejections.sinceMs).toBe(START);
  });

  it('are of one tenant, and nothing of another is among them', () => {
    const rejections = new Rejections(new ManualClock(START));
    rejections.note(red, refusal('a', 'of-red'));
    rejections.note(blue, refusal('a', 'of-blue'));
    expect(rejections.of(red).map(({ service, times }) => [service, times])).toEqual([['of-red', 1]]);
    expect(rejections.of(parseTenantId('green'))).toEqual([]);
  });

  it('name the service that the request said where the error knows none', () => {
    const rejections = new Rejections(new ManualClock(START));
    rejections.note(red, refusal('a'), 'said');
    rejections.note(red, refusal('b', 'known'), 'said');
    expect(rejections.of(red).map(({ service }) => service)).toEqual(['known', 'said']);
  });

  it('are no clients that left or did not wait', () => {
    const rejections = new Rejections(new ManualClock(START));
    for (const code of ['canceled', 'deadline_exceeded'] as const) rejections.note(red, refusal('a', 's', code));
    expect(rejections.of(red)).toEqual([]);
  });
});

describe('memory', () => {
  it('holds a bounded number of causes of a tenant: the oldest goes', () => {
    const rejections = new Rejections(new ManualClock(START));
    for (let i = 0; i < 3 * KEPT_REJECTIONS; i++) rejections.note(red, refusal('a', `service-${i}`));
    const kept = rejections.of(red).map(({ service }) => service);
    expect(kept).toHaveLength(KEPT_REJECTIONS);
    expect([kept[0], kept.at(-1)]).toEqual(['service-149', 'service-100']);
  });

  it('holds a bounded number of bytes of all tenants, however long their sentences: who was refused longest ago goes', () => {
    const limit = 100_000;
    const rejections = new Rejections(new ManualClock(START), limit);
    const tenants: TenantId[] = [];
    for (let i = 0; i < 200; i++) {
      tenants.push(parseTenantId(`tenant-${i}`));
      rejections.note(tenants[i]!, refusal('x'.repeat(10_000), 'y'.repeat(10_000)));
      // One tenant is refused again and again, and stays.
      rejections.note(red, refusal('z'));
      expect(rejections.usedBytes).toBeLessThanOrEqual(limit);
    }
    const left = tenants.filter((tenant) => rejections.of(tenant).length > 0);
    expect(left.length).toBeGreaterThan(10);
    expect(left).toEqual(tenants.slice(-left.length));
    expect(rejections.of(red)[0]!.times).toBe(200);
    const { message, service } = rejections.of(left[0]!)[0]!;
    expect([message.length, service.length]).toEqual([500, 200]);
  });

  it('counts to nothing when everything is gone', () => {
    const rejections = new Rejections(new ManualClock(START), 0);
    for (let i = 0; i < 120; i++) rejections.note(red, refusal(`a ${'b'.repeat(i % 7)}`, `s-${i % 60}`));
    expect([rejections.usedBytes, rejections.of(red)]).toEqual([0, []]);
  });
});
