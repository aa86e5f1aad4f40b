import { describe, expect, it } from 'vitest';
import { troubleOf } from './client.ts';

describe('an answer that is none', () => {
  const refusal = (message: string): string => JSON.stringify({ code: 'invalid_argument', message });

  it('is told in the sentence of the server', () => {
    expect(troubleOf(400, refusal('invalid selector'))).toEqual({
      kind: 'refused',
      status: 400,
      message: 'invalid selector',
    });
  });

  it('is told with its status where there is no sentence', () => {
    expect(troubleOf(500, '<html>oops').message).toBe('The server answered 500: <html>oops.');
    expect(troubleOf(500, '').message).toBe('The server answered 500: nothing more.');
    expect(troubleOf(500, '{"message":5}').message).toContain('500');
  });

  it('says whether to ask otherwise, to name a tenant, to wait, or nothing', () => {
    const kinds = [400, 401, 404, 429, 500, 502, 503, 504].map((status) => troubleOf(status, '').kind);
    expect(kinds).toEqual(['refused', 'tenant', 'refused', 'refused', 'fault', 'away', 'away', 'away']);
  });
});
