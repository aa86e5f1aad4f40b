import { spawn } from 'node:child_process';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { resolve } from 'node:path';
import { expect, test } from 'vitest';
import { kilnIsBuilt, kilnMain } from '../support/kiln-process.ts';
import { requireService } from '../support/services.ts';

const built = requireService('kiln', kilnIsBuilt(), `${kilnMain} is not built`);

test.skipIf(!built)('one signal ends a question, and a second one whatever waits', { timeout: 60_000 }, async () => {
  let asked: () => void = () => undefined;
  const silent = createServer((request) => request.resume().on('end', () => asked()));
  await new Promise<void>((done) => silent.listen(0, '127.0.0.1', done));
  const url = `http://127.0.0.1:${(silent.address() as AddressInfo).port}`;
  /** Its exit code after so many signals, and what it wrote. */
  const ended = async (signal: NodeJS.Signals, count: number, ...words: string[]): Promise<[number | null, string]> => {
    const request = new Promise<void>((done) => (asked = done));
    const child = spawn(process.execPath, [kilnMain, ...words, '--url', url], { cwd: tmpdir() });
    let text = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (text += chunk.toString()));
    const code = new Promise<number | null>((done) => child.once('close', done));
    await request;
    for (let i = 0; i < count; i++) {
      child.kill(signal);
      await new Promise((done) => setTimeout(done, 200));
    }
    return [await code, text];
  };
  try {
    expect(await ended('SIGINT', 1, 'query', 'types')).toEqual([130, '']);
    expect(await ended('SIGTERM', 1, 'compact', '--now')).toEqual([143, '']);
    // The file in flight is waited for, but not for ever.
    const file = resolve(import.meta.dirname, '../fixtures/pprof/go-cpu.pb');
    expect(await ended('SIGINT', 2, 'push', file, file)).toEqual([130, '']);
  } finally {
    silent.closeAllConnections();
    silent.close();
  }
});
