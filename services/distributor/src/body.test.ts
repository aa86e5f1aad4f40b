import { createServer, request as httpRequest, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { KilnError } from '@kiln/model';
import { InFlight } from '@kiln/rpc';
import { gunzipSized, inflateBody, readBody } from './body.ts';

vi.setConfig({ testTimeout: 30_000 }); // some send tens of megabytes, on a machine that others use too

const LIMIT = 1_000_000;
/** Refuses one length, for the tests' sake. */
const REFUSED = 4_321;
const admit = (announced: number): void => {
  if (announced === REFUSED) throw new KilnError('resource_exhausted', 'not now', { httpStatus: 429 });
};
const server = createServer((request, response) => {
  readBody(request, LIMIT, new InFlight(Infinity, 'push.max').open(), admit)
    .then((body) => inflateBody(body, LIMIT))
    .then(
      (body) => response.end(`${body.length} ${body.reduce((sum, byte) => (sum * 31 + byte) >>> 0, 0)}`),
      (error: KilnError) => {
        request.resume();
        response.writeHead(error.httpStatus ?? 400, { connection: 'close' }).end(`${error.code}: ${error.message}`);
      },
    );
});
beforeAll(() => new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve)));
afterAll(() => new Promise((resolve) => server.close(resolve)));

function post(
  body: Uint8Array,
  headers: Record<string, string> = {},
  chunked = false,
): Promise<{ status: number; text: string }> {
  return new Promise((resolve, reject) => {
    const { port } = server.address() as AddressInfo;
    const length = chunked ? {} : { 'content-length': String(body.length) };
    // A connection of its own: one that was kept may be closed while a large body is made.
    const request = httpRequest(
      { port, host: '127.0.0.1', method: 'POST', agent: false, headers: { ...length, ...headers } },
      (response: IncomingMessage) => {
        let text = '';
        response.setEncoding('utf8');
        response.on('data', (chunk: string) => (text += chunk));
        response.on('end', () => resolve({ status: response.statusCode!, text }));
      },
    );
    request.on('error', reject);
    request.end(body);
  });
}

const hash = (body: Uint8Array): string => `${body.length} ${body.reduce((sum, byte) => (sum * 31 + byte) >>> 0, 0)}`;
const noise = Uint8Array.from({ length: 300_000 }, (_, i) => (i * i * 7) >>> 3);

describe('a body', () => {
  test('arrives as sent: with a length, in chunks, gzipped, or plain under the name of gzip', async () => {
    for (const chunked of [false, true]) {
      expect(await post(noise, {}, chunked)).toEqual({ status: 200, text: hash(noise) });
      expect(await post(gzipSync(noise), { 'content-encoding': 'gzip' }, chunked)).toEqual({
        status: 200,
        text: hash(noise),
      });
      expect(await post(noise.slice(0, 50), { 'content-encoding': 'gzip' }, chunked)).toEqual({
        status: 200,
        text: hash(noise.slice(0, 50)),
      });
    }
    expect((await post(new Uint8Array(0))).text).toBe('0 0');
  });

  test('that is not admitted is refused by its announced length, before it is read', async () => {
    const { port } = server.address() as AddressInfo;
    const answer = await new Promise<IncomingMessage>((resolve, reject) => {
      const headers = { 'content-length': String(REFUSED) };
      // Nothing of the body is ever sent.
      httpRequest({ port, host: '127.0.0.1', method: 'POST', agent: false, headers }, resolve)
        .on('error', reject)
        .flushHeaders();
    });
    expect(answer.statusCode).toBe(429);
    answer.destroy();
  });

  test('of several gzip members is read whole', async () => {
    const members = Buffer.concat([gzipSync(noise.subarray(0, 100)), gzipSync(noise.subarray(100, 250))]);
    expect((await post(members, { 'content-encoding': 'gzip' })).text).toBe(hash(noise.subarray(0, 250)));
  });

  test('over the limit is refused before, while and after reading, and the client gets to read why', async () => {
    const large = new Uint8Array(20_000_000);
    for (const [body, headers, chunked] of [
      [large, {}, false],
      [large, {}, true],
      [gzipSync(large), { 'content-encoding': 'gzip' }, false],
      [gzipSync(new Uint8Array(900_000_000), { level: 1 }), { 'content-encoding': 'gzip' }, false],
    ] as const) {
      const { status, text } = await post(body, headers, chunked);
      expect(status).toBe(413);
      expect(text).toMatch(/limit 1000000 bytes \(ingestion_body_limit_mb/);
    }
  });

  test('of broken gzip or another encoding is refused with a sentence', async () => {
    const broken = gzipSync(noise);
    broken[1000] = broken[1000]! ^ 0xff;
    expect((await post(broken, { 'content-encoding': 'gzip' })).text).toMatch(
      /^invalid_argument: request body is not valid gzip/,
    );
    expect((await post(gzipSync(noise).subarray(0, 500), { 'content-encoding': 'gzip' })).text).toMatch(
      /not valid gzip/,
    );
    expect(await post(noise, { 'content-encoding': 'zstd' })).toEqual({
      status: 415,
      text: 'unimplemented: content encoding "zstd" is not supported: send gzip or identity',
    });
  });
});

describe('gunzip sized by the trailer', () => {
  test('believes neither a lying length nor a missing one', () => {
    const packed = gzipSync(noise);
    for (const lie of [0, 1, 0xffffffff]) {
      const lying = Buffer.from(packed);
      lying.writeUInt32LE(lie, lying.length - 4);
      expect(() => gunzipSized(lying, 1e9)).toThrow(/incorrect length check/);
    }
    expect(gunzipSized(packed, 1e9)).toEqual(Buffer.from(noise));
    expect(() => gunzipSized(packed, noise.length - 1)).toThrow(/larger than|Cannot create/);
  });
});

describe('bytes in flight', () => {
  test('are counted from the announced length before the body is read, and while it is read when none is announced', async () => {
    const all = new InFlight(4000, 'push.max');
    all.open().grow(600);
    const before: number[] = [];
    const answer = async (incoming: IncomingMessage, response: ServerResponse): Promise<void> => {
      const held = all.open();
      const outcome = await readBody(incoming, 0, held, () => undefined).then(
        ({ bytes }) => `read ${bytes.length}`,
        (error: Error) => error.message,
      );
      before.push(all.usedBytes - 600);
      held.release();
      incoming.resume();
      response.end(outcome);
    };
    const counting = createServer((incoming, response) => void answer(incoming, response));
    await new Promise<void>((resolve) => counting.listen(0, '127.0.0.1', resolve));
    const { port } = counting.address() as AddressInfo;
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
    counting.close();
  });
});
