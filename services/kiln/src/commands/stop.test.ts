import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { exampleProfile } from '../example-profile.ts';
import { withTimeNanos } from '../pprof-outline.ts';
import { CLEAR_LINE } from '../terminal.ts';
import { Running } from '../test-terminal.test-support.ts';

let folder: string;
let server: Server;
let url: string;
let waiting: ServerResponse[];
let asked: () => void;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'kiln-stop-'));
  waiting = [];
  asked = () => undefined;
  server = createServer((incoming, response) => {
    incoming.resume().on('end', () => {
      waiting.push(response);
      asked();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterEach(async () => {
  server.closeAllConnections();
  server.close();
  await rm(folder, { recursive: true });
});

/** Resolves with the answer that is owed to request number `count`. */
async function request(count: number): Promise<ServerResponse> {
  while (waiting.length < count) await new Promise<void>((resolve) => (asked = resolve));
  return waiting[count - 1]!;
}

async function files(count: number): Promise<string[]> {
  const names = Array.from({ length: count }, (_, i) => join(folder, `${i}.pb`));
  const nowNanos = BigInt(Date.now()) * 1_000_000n;
  for (const [i, name] of names.entries())
    await writeFile(name, withTimeNanos(exampleProfile(), nowNanos - BigInt(i) * 1_000_000_000n));
  return names;
}

test('a stop ends a command that waits for its answer, without a word', async () => {
  const questions = [
    ['query', 'types'],
    ['compact', '--now'],
    ['ready'],
    ['push', '--example'],
    ['push', ...(await files(1))],
  ];
  for (const [i, words] of questions.entries()) {
    const running = new Running([...words, '--url', url], { showsProgress: true });
    await request(i + 1);
    const [signal, code] = i % 2 === 0 ? (['SIGINT', 130] as const) : (['SIGTERM', 143] as const);
    const { out, err, ...ended } = await running.stop(signal);
    expect([words[0], ended.code, out]).toEqual([words[0], code, '']);
    // The line of the progress is taken back.
    expect(err.endsWith(CLEAR_LINE)).toBe(true);
  }
});

test('a stopped import ends after the file in flight, and goes on where it was', async () => {
  const journal = join(folder, 'journal');
  const words = ['import', ...(await files(3)), '--journal', journal, '--url', url];
  const first = new Running(words);
  (await request(1)).end();
  const second = await request(2);
  const stopped = first.stop('SIGTERM');
  second.end();
  expect(await stopped).toMatchObject({
    code: 143,
    out: '2 files imported, 0 known already, 0 refused, of 3: run it again to go on\n',
    err: '',
  });
  const again = new Running(words);
  (await request(3)).end();
  // What it asks at its end.
  (await request(4)).end('{}');
  expect(await again.done).toMatchObject({ code: 0, out: '1 file imported, 2 known already, 0 refused\n' });
});

test('a stopped import does not wait for its rate, and knows that the file was not taken', async () => {
  const journal = join(folder, 'journal');
  const importing = new Running(['import', ...(await files(2)), '--journal', journal, '--url', url]);
  (await request(1)).end();
  const body = JSON.stringify({ code: 'resource_exhausted', message: 'too fast' });
  (await request(2)).writeHead(429, { 'retry-after': '3600' }).end(body);
  const noted = async (): Promise<string> => readFile(journal, 'utf8');
  await expect.poll(noted).toContain('dropped');
  expect(await importing.stop()).toMatchObject({
    code: 130,
    out: '1 file imported, 0 known already, 0 refused, of 2: run it again to go on\n',
    err: '',
  });
});

test('a stop that comes with the last file changes nothing', async () => {
  const importing = new Running(['import', ...(await files(1)), '--journal', join(folder, 'journal'), '--url', url]);
  const last = await request(1);
  const ended = importing.stop();
  last.end();
  expect(await ended).toMatchObject({ code: 0, out: '1 file imported, 0 known already, 0 refused\n' });
});

test('a stopped push of several files ends after the one in flight and names the next', async () => {
  const names = await files(3);
  const pushing = new Running(['push', ...names, '--url', url]);
  const first = await request(1);
  const stopped = pushing.stop();
  first.end();
  const { code, out, err } = await stopped;
  expect([code, err]).toEqual([130, '']);
  expect(out).toMatch(/^pushed .*\n1 file pushed, 0 refused, of 3: the next is .*1\.pb\n$/);
});
