import { createServer, request as httpRequest, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect, test } from 'vitest';
import { MemoryLedger } from '@kiln/async';
import { readBody } from './body.ts';
import { InFlight } from './in-flight.ts';

const MIB = 1024 * 1024;

describe('bytes in flight', () => {
  test('are bounded over all large requests; one alone always fits; what is released is free', () => {
    const all = new InFlight(100 * MIB);
    const [a, b] = [all.open(), all.open()];
    a.grow(60 * MIB);
    a.grow(500 * MIB);
    expect(() => b.grow(5 * MIB)).toThrow(/hold \d+ bytes, 5242880 more do not fit below 104857600/);
    a.release();
    a.release();
    b.grow(40 * MIB);
    a.grow(60 * MIB);
    expect(() => a.grow(1)).toThrow(expect.objectContaining({ code: 'unavailable', retryAfterSeconds: 1 }));
    b.release();
    a.release();
    expect(all.usedBytes).toBe(0);
  });

  test('of small requests are bounded apart: large ones do not shut them out, nor they the large ones', () => {
    const all = new InFlight(16 * MIB);
    const large = all.open();
    large.grow(200 * MIB);
    const small = Array.from({ length: 4 }, () => all.open());
    for (const held of small) held.grow(MIB);
    expect(() => all.open().grow(1)).toThrow(/hold 4194304 bytes, 1 more do not fit below 4194304/);
    // A small request that grows is a large one, and what it held is free for others.
    large.release();
    small[0]!.grow(12 * MIB);
    all.open().grow(MIB);
    expect(all.usedBytes).toBe(17 * MIB);
  });

  test('are refused while the process is at its memory ceiling, also of a request that is alone, and give back what they counted', () => {
    const ledger = MemoryLedger.create(100 * MIB);
    const all = new InFlight(16 * MIB, ledger);
    const held = all.open();
    held.grow(2 * MIB);
    held.grow(3 * MIB);
    expect(ledger.bytesOf('requests')).toBe(5 * MIB);
    ledger.move('heads', 0, 95 * MIB);
    expect(() => held.grow(MIB)).toThrow(
      expect.objectContaining({ code: 'unavailable', reason: 'memory_ceiling', retryAfterSeconds: 1 }),
    );
    held.release();
    expect(ledger.bytesOf('requests')).toBe(0);
    expect(() => all.open().expect(6 * MIB)).toThrow(/holds 99614720 bytes .* below 104857600 \(memory\.ceiling\)/);
    all.open().grow(5 * MIB);
  });

  test('are counted from the announced length before the body is read, and while it is read when none is announced', async () => {
    const all = new InFlight(4000);
    all.open().grow(600);
    const before: number[] = [];
    const answer = async (incoming: IncomingMessage, response: ServerResponse): Promise<void> => {
      const held = all.open();
      const outcome = await readBody(incoming, 0, held).then(
        ({ bytes }) => `read ${bytes.length}`,
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
