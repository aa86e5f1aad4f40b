import { afterEach, describe, expect, it, vi } from 'vitest';
import { Client, troubleOf, type Contact, type Trouble } from './client.ts';

afterEach(() => vi.unstubAllGlobals());

/** A server that gives one answer, what it was asked, and what the page was told of it. */
function serve(
  answer: Response | Error,
  tenant = '',
): { client: Client; asked: Request[]; told: (boolean | Trouble)[] } {
  const asked: Request[] = [];
  const told: (boolean | Trouble)[] = [];
  vi.stubGlobal('fetch', async (url: URL, init: RequestInit) => {
    asked.push(new Request(url, { ...init, signal: null }));
    init.signal?.throwIfAborted();
    if (answer instanceof Error) throw answer;
    return answer;
  });
  const contact: Contact = { reached: (single) => told.push(single), troubled: (trouble) => told.push(trouble) };
  return { client: new Client('http://kiln.test/below/explore?query=x', tenant, contact), asked, told };
}

const signal = new AbortController().signal;

describe('a question', () => {
  it('goes to the server below whose prefix the page lies, for the tenant', async () => {
    const { client, asked } = serve(Response.json({}), 'team-a');
    await client.call('querier.v1.QuerierService/Series', { start: 1 }, signal);
    await client.get('api/v1/top', { query: 'a{b="c"}' }, signal);
    expect(asked.map(({ method, url }) => [method, url])).toEqual([
      ['POST', 'http://kiln.test/below/querier.v1.QuerierService/Series'],
      ['GET', 'http://kiln.test/below/api/v1/top?query=a%7Bb%3D%22c%22%7D'],
    ]);
    expect(asked.map(({ headers }) => headers.get('X-Scope-OrgID'))).toEqual(['team-a', 'team-a']);
  });

  it('names no tenant where there is none', async () => {
    const { client, asked } = serve(Response.json({}));
    await client.get('api/v1/top', {}, signal);
    expect(asked[0]!.headers.has('X-Scope-OrgID')).toBe(false);
  });
});

describe('an answer', () => {
  it('comes with what the server notes about it', async () => {
    const headers = { 'X-Kiln-Note': 'less than asked', 'X-Kiln-Partial': 'a gap' };
    const { client } = serve(Response.json({ a: 1 }, { headers }));
    expect(await client.get('x', {}, signal)).toEqual({
      ok: true,
      value: { a: 1 },
      notes: [
        { isPartial: true, text: 'a gap' },
        { isPartial: false, text: 'less than asked' },
      ],
    });
  });

  it('tells whether the server keeps one tenant or several', async () => {
    const single = { headers: { 'X-Kiln-Tenant': 'anonymous' } };
    for (const [tenant, response, expected] of [
      ['', Response.json({}), true],
      ['team-a', Response.json({}, single), true],
      ['team-a', Response.json({}), false],
    ] as const) {
      const { client, told } = serve(response, tenant);
      await client.get('x', {}, signal);
      expect(told).toEqual([expected]);
    }
  });

  it('that does not come is told to the page', async () => {
    const { client, told } = serve(new TypeError('Failed to fetch'));
    const answer = await client.get('x', {}, signal);
    expect(answer).toMatchObject({ ok: false, trouble: { kind: 'away', status: 0 } });
    expect(told).toMatchObject([{ kind: 'away', message: expect.stringContaining('http://kiln.test/below/') }]);
  });

  it('that nobody waits for any more is no trouble of the server', async () => {
    const { client, told } = serve(Response.json({}));
    expect(await client.get('x', {}, AbortSignal.abort())).toMatchObject({ ok: false, trouble: { kind: 'left' } });
    expect(told).toEqual([]);
  });
});

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
