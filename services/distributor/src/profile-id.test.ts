import { describe, expect, test } from 'vitest';
import { parseTenantId } from '@kiln/model';
import { identifiesItself, profileId, type ProfileContent } from './profile-id.ts';

const content: ProfileContent = {
  tenant: parseTenantId('a'),
  labels: [
    { name: '__name__', value: 'cpu' },
    { name: 'service_name', value: 's' },
  ],
  types: [{ type: 'cpu', unit: 'ns', periodType: '', periodUnit: '' }],
  timeNanos: 1_800_000_000_123_456_789n,
  durationNanos: 10n,
  payload: new Uint8Array([1, 2, 3]),
  clientId: '',
};
const hex = (change: Partial<ProfileContent> = {}): string =>
  Buffer.from(profileId({ ...content, ...change })).toString('hex');

describe('a profile id', () => {
  test('is the same for the same content and another for any difference', () => {
    expect(hex()).toBe(hex());
    expect(hex()).toHaveLength(32);
    const others = [
      hex({ tenant: parseTenantId('b') }),
      hex({ labels: [...content.labels, { name: 'x', value: 'y' }] }),
      hex({ labels: [{ name: '__name__c', value: 'pu' }, content.labels[1]!] }),
      hex({ types: [{ ...content.types[0]!, unit: 'ms' }] }),
      hex({ timeNanos: content.timeNanos + 1n }),
      hex({ durationNanos: 11n }),
      hex({ payload: new Uint8Array([1, 2, 4]) }),
      hex({ clientId: 'c' }),
      hex({ movedTo: { service: 's', name: 'cpu' } }),
      hex({ movedTo: { service: 't', name: 'cpu' } }),
    ];
    expect(new Set([hex(), ...others]).size).toBe(others.length + 1);
  });

  test('is random where a copy cannot be told from an equal profile', () => {
    for (const timeNanos of [0n, 1_800_000_000_000_000_000n]) {
      expect(identifiesItself({ timeNanos, clientId: '' })).toBe(false);
      expect(hex({ timeNanos })).not.toBe(hex({ timeNanos }));
      expect(hex({ timeNanos, clientId: 'mine' })).toBe(hex({ timeNanos, clientId: 'mine' }));
    }
  });
});
