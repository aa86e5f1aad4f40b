import { describe, expect, it } from 'vitest';
import { sendLines } from './send-lines.ts';

describe('the lines to paste', () => {
  const origin = 'https://profiles.example/below';

  it('are there for every way in, with this server in each', () => {
    const ways = sendLines(origin, '');
    expect(ways.map(({ name }) => name)).toEqual(['Python', 'Go', 'Node', 'Rust', '.NET', 'Ruby', 'Alloy', 'A file']);
    for (const { name, lines } of ways) expect(lines, name).toContain(origin);
    for (const { name, lines } of ways) expect(lines, name).not.toMatch(/tenant|OrgID/i);
  });

  it('name the tenant where there is one, as the language wants it', () => {
    for (const { name, lines } of sendLines(origin, "team-a's")) expect(lines, name).toContain('team-a');
    expect(sendLines(origin, "team-a's").at(-1)!.lines).toContain(String.raw`--tenant 'team-a'\''s'`);
    expect(sendLines(origin, 'team-a')[0]!.lines).toContain('tenant_id="team-a"');
  });
});
