import { expect, it } from 'vitest';
import { parseTenantId } from '@kiln/model';
import { GroupNames } from './group-names.ts';

it('a thousand names of a tenant are counted apart, the others together; no other tenant notices', () => {
  const names = new GroupNames();
  const [a, b] = [parseTenantId('a'), parseTenantId('b')];
  const counted = new Set(Array.from({ length: 5_000 }, (_, i) => names.of(a, `team-${i}`)));
  expect([counted.size, names.of(a, 'team-999'), names.of(a, 'team-1000')]).toEqual([1_001, 'team-999', 'other']);
  expect([names.of(b, 'team-1000'), names.of(b, 'x'.repeat(257))]).toEqual(['team-1000', 'other']);
});
