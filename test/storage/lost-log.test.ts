import { spawnSync } from 'node:child_process';
import { cp, mkdtemp, readdir, rm } from 'node:fs/promises';
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
    const neighbours = new MarkedTenants(dataDir);
    await neighbours.push(server.url);
    await neighbours.look(server);
    expect(await server.stop()).toBe(0);
    await neighbours.lookAround(server.output());
  });
});
