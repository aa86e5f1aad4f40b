import { createServer, request as httpRequest, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect, test } from 'vitest';
import { readBody } from './body.ts';
import { InFlight } from './in-flight.ts';

describe('bytes in flight', () => {
  test('are bounded over all requests; one alone always fits; what is released is free', () => {
    const all = new InFlight(100);
    const [a, b] = [all.open(), all.open()];
    a.grow(60);
    a.grow(500);
    expect(() => b.grow(1)).toThrow(/hold 560 bytes, 1 more do not fit below 100/);
    a.release();
    a.release();
    b.grow(40);
    a.grow(60);
    expect(() => a.grow(1)).toThrow(expect.objectContaining({ code: 'unavailable', retryAfterSeconds: 1 }));
    b.release();
    a.release();
    expect(all.usedBytes).toBe(0);
  });

  test('are counted from the announced length before the body is read, and while it is read when none is announced', async () => {
    const all = new InFlight(1000);
    all.open().grow(600);
    const before: number[] = [];
    const answer = async (incoming: IncomingMessage, response: ServerResponse): Promise<void> => {
      const held = all.open();
      const outcome = await readBody(incoming, 0, held).then(
        (body) => `read ${body.length}`,
        (error: Error) => error.message,
      );
      before.push(all.usedBytes - 600);
      held.release();
      incoming.resume();
      response.end(outcome);
    };
    const server = createServer((incoming, response) => void answer(incoming, response));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    const send = (bytes: number, isChunked: boolean): Promise<string> =>
      new Promise((resolve, reject) => {
        const headers = isChunked ? { 'transfer-encoding': 'chunked' } : { 'content-length': bytes };
        const sent = httpRequest({ port, method: 'POST', headers }, (response) => {
          response.setEncoding('utf8');
          let text = '';
          response.on('data', (part: string) => (text += part)).on('end', () => resolve(text));
        });
        sent.on('error', reject).end(new Uint8Array(bytes));
      });
    for (const isChunked of [false, true]) {
      expect(await send(400, isChunked)).toBe('read 400');
      expect(await send(401, isChunked)).toMatch(/^requests in flight hold 600 bytes, 401 more do not fit/);
    }
    expect(before).toEqual([400, 0, 400, 0]);
    expect(all.usedBytes).toBe(600);
    server.close();
  });
});
