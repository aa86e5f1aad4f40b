import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { Agent, request as httpRequest, type IncomingMessage } from 'node:http';
import { connect as connectHttp2, type ClientHttp2Session } from 'node:http2';
import { request as httpsRequest } from 'node:https';
import { connect, type AddressInfo, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { Port, type PortOptions } from './port.ts';

const options: PortOptions = { headersTimeoutMs: 300, requestTimeoutMs: 60_000, keepAliveMs: 400 };
const ports: Port[] = [];
afterEach(() => {
  for (const port of ports.splice(0)) {
    port.cut();
    port.server.close();
  }
});

/** A port that answers with the version, the path and how many bytes came. */
async function listen(more: Partial<PortOptions> = {}): Promise<{ port: Port; number: number }> {
  const port = new Port(
    (request, response) => {
      let bytes = 0;
      request.on('data', (chunk: Buffer) => (bytes += chunk.length));
      request.on('end', () => response.end(`${request.httpVersion} ${request.method} ${request.url} ${bytes}`));
    },
    { ...options, ...more },
  );
  ports.push(port);
  await new Promise<void>((resolve) => port.server.listen(0, '127.0.0.1', resolve));
  return { port, number: (port.server.address() as AddressInfo).port };
}

function textOf(response: NodeJS.ReadableStream): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = '';
    response.on('data', (chunk: Buffer) => (text += chunk.toString()));
    response.on('end', () => resolve(text)).on('error', reject);
  });
}

function http1(number: number, body: Uint8Array, agent?: Agent): Promise<string> {
  return new Promise((resolve, reject) => {
    const sent = httpRequest({ port: number, path: '/one', method: 'POST', ...(agent === undefined ? {} : { agent }) });
    sent.on('response', (response: IncomingMessage) => void textOf(response).then(resolve, reject)).on('error', reject);
    sent.end(body);
  });
}

function http2(session: ClientHttp2Session, body: Uint8Array): Promise<string> {
  const stream = session.request({ ':method': 'POST', ':path': '/two' });
  stream.end(body);
  return textOf(stream);
}

function closed(socket: Socket): Promise<number> {
  const began = performance.now();
  return new Promise((resolve) =>
    socket.on('error', () => undefined).on('close', () => resolve(performance.now() - began)),
  );
}

describe('one port', () => {
  test('speaks HTTP/1.1 and HTTP/2 in clear text, large bodies and many requests on a connection', async () => {
    const { number } = await listen();
    const large = new Uint8Array(33 * 1024 * 1024).fill(7);
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    for (const body of [new Uint8Array(0), large, new Uint8Array(5)])
      expect(await http1(number, body, agent)).toBe(`1.1 POST /one ${body.length}`);
    agent.destroy();
    // The client counts a body that waits for the window as memory of its own.
    const session = connectHttp2(`http://127.0.0.1:${number}`, { maxSessionMemory: 100 });
    const answers = [new Uint8Array(0), large, new Uint8Array(5)].map((body) => http2(session, body));
    expect(await Promise.all(answers)).toEqual(['2.0 POST /two 0', `2.0 POST /two ${large.length}`, '2.0 POST /two 5']);
    session.destroy();
  });

  test('tells the protocols apart when the first bytes come one by one', async () => {
    const { number } = await listen({ headersTimeoutMs: 5_000 });
    const socket = connect(number, '127.0.0.1');
    let answer = '';
    socket.on('data', (data) => (answer += data.toString()));
    // Begins like HTTP/2 as long as it can.
    for (const byte of 'PRI / HTTP/1.1\r\nHost: x\r\n\r\n') {
      socket.write(byte);
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
    await expect.poll(() => answer).toMatch(/^HTTP\/1\.1 400 /);
    socket.destroy();

    const session = connectHttp2(`http://127.0.0.1:${number}`, { createConnection: () => dripping(number) });
    expect(await http2(session, new Uint8Array(3))).toBe('2.0 POST /two 3');
    session.destroy();
  });

  test('lets go of a connection that says nothing, half a preface or half a head, and of an idle one', async () => {
    const { number } = await listen();
    for (const said of ['', 'PRI * HT', 'GET / HTTP/1.1\r\nHost']) {
      const socket = connect(number, '127.0.0.1', () => socket.write(said));
      socket.resume();
      // Node looks for late heads every five seconds.
      expect(await closed(socket)).toBeLessThan(8_000);
    }
    const session = connectHttp2(`http://127.0.0.1:${number}`);
    await http2(session, new Uint8Array(1));
    await new Promise((resolve) => session.on('close', resolve));
  }, 30_000);

  test('a connection that breaks, or sends broken frames, harms no other', async () => {
    const { number } = await listen();
    const noise = [
      'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\nnot a frame at all, and then some more of it',
      'PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n',
      '\0\0\0',
      `GET / HTTP/1.1\r\n${'x: y\r\n'.repeat(50_000)}`,
    ];
    for (const bytes of noise) {
      const socket = connect(number, '127.0.0.1', () => socket.write(bytes));
      socket.resume();
      await closed(socket);
    }
    const reset = connect(number, '127.0.0.1', () => reset.resetAndDestroy());
    await closed(reset);
    expect(await http1(number, new Uint8Array(2))).toBe('1.1 POST /one 2');
  }, 30_000);

  test('connections of HTTP/2 that come at once begin in turns of their own, so that others have theirs between them', async () => {
    const { number, turns, accepted, end } = await countTurns();
    const sockets = Array.from({ length: 20 }, () => connect(number, '127.0.0.1'));
    await expect.poll(accepted).toBe(20);
    for (const socket of sockets) socket.write(Buffer.concat([PREFACE, requestOf(1)]));
    await expect.poll(() => turns.length).toBe(20);
    end();
    expect(new Set(turns).size).toBe(20);
    for (const socket of sockets) socket.destroy();
  });

  test('of streams that come in one read a few are answered in a turn', async () => {
    const { number, turns, end } = await countTurns();
    const socket = connect(number, '127.0.0.1');
    socket.write(Buffer.concat([PREFACE, ...Array.from({ length: 200 }, (_, i) => requestOf(2 * i + 1))]));
    await expect.poll(() => turns.length).toBe(200);
    end();
    const perTurn = Map.groupBy(turns, (turn) => turn);
    expect(Math.max(...Array.from(perTurn.values(), ({ length }) => length))).toBeLessThanOrEqual(2 * 16);
    socket.destroy();
  });

  test('a client that leaves HTTP/2 in the middle of a request leaves nothing behind', async () => {
    let left = 0;
    const port = new Port((request, response) => {
      request.on('error', () => undefined);
      response.once('close', () => left++);
      request.once('data', () => response.end('no'));
    }, options);
    ports.push(port);
    await new Promise<void>((resolve) => port.server.listen(0, '127.0.0.1', resolve));
    const session = connectHttp2(`http://127.0.0.1:${(port.server.address() as AddressInfo).port}`);
    const stream = session.request({ ':method': 'POST', ':path': '/' }).on('error', () => undefined);
    stream.write(new Uint8Array(5 * 1024 * 1024));
    stream.once('data', () => session.destroy());
    await expect.poll(() => left).toBe(1);
    await expect
      .poll(() => new Promise((resolve) => port.server.getConnections((_error, count) => resolve(count))))
      .toBe(0);
  });

  test('retires: what is under way is answered, connections close, also those that never spoke', async () => {
    const { port, number } = await listen({ headersTimeoutMs: 60_000, keepAliveMs: 60_000 });
    const silent = connect(number, '127.0.0.1');
    const session = connectHttp2(`http://127.0.0.1:${number}`);
    const stream = session.request({ ':method': 'POST', ':path': '/slow' });
    stream.write('half');
    await new Promise((resolve) => setTimeout(resolve, 50));
    const ended = new Promise<void>((resolve) => port.server.close(() => resolve()));
    port.retire();
    await closed(silent);
    stream.end('half');
    expect(await textOf(stream)).toBe('2.0 POST /slow 8');
    await ended;
  });

  test('with keys speaks TLS, and ALPN chooses the protocol', async () => {
    const keys = selfSigned();
    const { number } = await listen({ tls: keys });
    const sent = httpsRequest({ port: number, path: '/one', method: 'POST', ca: keys.cert, servername: 'localhost' });
    const answer = new Promise<string>((resolve, reject) => {
      sent
        .on('response', (response: IncomingMessage) => void textOf(response).then(resolve, reject))
        .on('error', reject);
    });
    sent.end('four');
    expect(await answer).toBe('1.1 POST /one 4');
    const session = connectHttp2(`https://localhost:${number}`, { ca: keys.cert });
    expect(await http2(session, new Uint8Array(6))).toBe('2.0 POST /two 6');
    session.destroy();
    await expect(http1(number, new Uint8Array(1))).rejects.toThrow(/hang up|ECONNRESET/);
  });
});

/** A connection whose first bytes leave one by one. */
function dripping(number: number): Socket {
  const socket = connect(number, '127.0.0.1').setNoDelay();
  const write = socket.write.bind(socket) as (chunk: Uint8Array) => boolean;
  let dripped = 0;
  socket.write = ((chunk: Uint8Array) => {
    const bytes = Buffer.from(chunk);
    let at = 0;
    for (; at < bytes.length && dripped < 30; at++, dripped++) write(bytes.subarray(at, at + 1));
    return at === bytes.length || write(bytes.subarray(at));
  }) as typeof socket.write;
  return socket;
}

function selfSigned(): { cert: string; key: string } {
  const folder = mkdtempSync(join(tmpdir(), 'kiln-port-'));
  try {
    const [cert, key] = [join(folder, 'cert.pem'), join(folder, 'key.pem')];
    const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost'];
    const made = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2'];
    execFileSync('openssl', [...made, ...subject, '-keyout', key, '-out', cert], { stdio: 'ignore' });
    return { cert: readFileSync(cert, 'utf8'), key: readFileSync(key, 'utf8') };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** A port that notes in which turn of the event loop each request is answered. */
async function countTurns(): Promise<{
  number: number;
  turns: number[];
  accepted: () => number;
  end: () => void;
}> {
  const turns: number[] = [];
  let turn = 0;
  let isOver = false;
  let accepted = 0;
  const port = new Port((_, response) => {
    turns.push(turn);
    response.end();
  }, options);
  ports.push(port);
  port.server.on('connection', () => accepted++);
  await new Promise<void>((resolve) => port.server.listen(0, '127.0.0.1', resolve));
  const count = (): void => {
    turn++;
    if (!isOver) setImmediate(count);
  };
  count();
  const { port: number } = port.server.address() as AddressInfo;
  return { number, turns, accepted: () => accepted, end: () => (isOver = true) };
}

/** How a connection of HTTP/2 begins (RFC 9113 §3.4), with empty settings. */
const PREFACE = Buffer.concat([
  Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'latin1'),
  Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0]),
]);

/** `GET http://x/` on a stream (RFC 9113 §6.2, RFC 7541 §6). */
function requestOf(stream: number): Buffer {
  const frame = Buffer.from([0, 0, 6, 1, 5, 0, 0, 0, 0, 0x82, 0x84, 0x86, 0x41, 0x01, 0x78]);
  frame.writeUInt32BE(stream, 5);
  return frame;
}
