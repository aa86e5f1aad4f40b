import { spawnSync } from 'node:child_process';
import { cp, mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { kilnIsBuilt, kilnMain, startKiln } from '../support/kiln-process.ts';
import { MarkedTenants } from '../support/marked-tenants.ts';
import { requireService } from '../support/services.ts';
import { anyTime, frozenV1, readSums } from './frozen.ts';

const built = requireService('kiln', kilnIsBuilt(), `${kilnMain} is not built`);
let folder = '';
afterEach(() => rm(folder, { recursive: true, force: true }));

function kiln(...args: string[]): { code: number | null; output: string } {
  const { status, stdout, stderr } = spawnSync(process.execPath, [kilnMain, ...args], {
    encoding: 'utf8',
    timeout: 30_000,
  });
  return { code: status, output: stdout + stderr };
}

/** What an answer of a tenant over all times says that it may lack; '' = nothing. */
async function missing(url: string, tenant: string): Promise<string> {
  const body = { start: '1', end: String(Date.now() + 86_400_000), labelNames: ['service_name'] };
  const answer = await fetch(`${url}/querier.v1.QuerierService/Series`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'x-scope-orgid': tenant },
    body: JSON.stringify(body),
  });
  expect(answer.status).toBe(200);
  return answer.headers.get('x-kiln-partial') ?? '';
}

describe.skipIf(!built)('a directory whose log is lost', { timeout: 120_000 }, () => {
  test('row 16: is refused, naming the command that gives the log up; after it the objects are answered and pushes are taken', async () => {
    folder = await mkdtemp(join(tmpdir(), 'kiln-lost-'));
    const dataDir = join(folder, 'data');
    await cp(join(frozenV1, 'data'), dataDir, { recursive: true });
    const logs = (await readdir(join(dataDir, 'objects/log'))).filter((name) => name !== 'trim');
    const writer = logs[0]!.split('-')[0]!;
    expect(kiln('log', 'close', logs[0]!, '--data-dir', dataDir)).toEqual({
      code: 1,
      output: expect.stringContaining('nothing is lost'),
    });

    await rm(join(dataDir, 'log'), { recursive: true });
    const { code, output } = kiln('start', '--port', '0', '--data-dir', dataDir);
    expect([code, output]).toEqual([1, expect.stringContaining(`kiln log close ${writer}-0`)]);
    for (let partition = 0; partition < 4; partition++) {
      expect(kiln('log', 'close', `${writer}-${partition}`, '--data-dir', dataDir)).toEqual({
        code: 0,
        output: expect.stringContaining('is closed at offset'),
      });
    }
    const server = await startKiln({ dataDir, flags: anyTime });
    const sums = await readSums(server.url, 'alpha');
    // Two rounds of the fixture were cut, each to this service; the third, to the other one, was only in the log.
    expect(sums['search process_cpu:wall:nanoseconds:wall:nanoseconds']).toMatch(/^60000000 over/);
    expect(sums['checkout process_cpu:wall:nanoseconds:wall:nanoseconds']).toBeUndefined();
    // Which is no answer to be taken for whole.
    expect(await missing(server.url, 'alpha')).toContain('went with the files of the log');
    const neighbours = new MarkedTenants(dataDir);
    await neighbours.push(server.url);
    await neighbours.look(server);
    expect(await server.stop()).toBe(0);
    await neighbours.lookAround(server.output());
  });

  test('row 16: or older than the objects, is refused before a push could be acknowledged that nobody would read', async () => {
    folder = await mkdtemp(join(tmpdir(), 'kiln-older-'));
    const dataDir = join(folder, 'data');
    await cp(join(frozenV1, 'data'), dataDir, { recursive: true });
    const log = (await readdir(join(dataDir, 'objects/log'))).find((name) => name.endsWith('-1'))!;
    await rm(join(dataDir, 'log/1'), { recursive: true });
    await mkdir(join(dataDir, 'log/1'));
    await writeFile(join(dataDir, 'log/1/0000000000000010.log'), '');

    const { code, output } = kiln('start', '--port', '0', '--data-dir', dataDir);
    expect([code, output]).toEqual([
      1,
      expect.stringMatching(new RegExp(`log ${log} ends at offset 9, but its manifests reach 43: .*move it away`)),
    ]);
    expect(kiln('verify', '--data-dir', dataDir).output).toMatch(
      /ends at offset 9, its manifests reach 43\n.*move it away/,
    );
    expect(kiln('log', 'close', log, '--data-dir', dataDir)).toEqual({
      code: 1,
      output: expect.stringMatching(/ends at offset 9, its manifests reach 43: .*move this one away/),
    });

    await rm(join(dataDir, 'log'), { recursive: true });
    expect(kiln('start', '--port', '0', '--data-dir', dataDir).output).toContain('kiln log close');
  });
});
