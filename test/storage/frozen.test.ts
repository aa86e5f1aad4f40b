import { cp, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { kilnIsBuilt, kilnMain, startKiln, type RunningKiln } from '../support/kiln-process.ts';
import { MarkedTenants } from '../support/marked-tenants.ts';
import { requireService } from '../support/services.ts';
import { anyTime, frozenV1, readSums, type Sums } from './frozen.ts';

const built = requireService('kiln', kilnIsBuilt(), `${kilnMain} is not built`);

describe.skipIf(!built)('a directory frozen at version 1', { timeout: 120_000 }, () => {
  let folder = '';
  let kiln: RunningKiln | undefined;
  afterEach(async () => {
    await kiln?.kill();
    await rm(folder, { recursive: true, force: true });
  });

  test('row 51: opens, and every sum of both tenants is what it was, also after a cut of what its log held and a restart', async () => {
    folder = await mkdtemp(join(tmpdir(), 'kiln-frozen-'));
    const dataDir = join(folder, 'data');
    await cp(join(frozenV1, 'data'), dataDir, { recursive: true });
    const expected = JSON.parse(await readFile(join(frozenV1, 'expected.json'), 'utf8')) as Record<string, Sums>;
    expect(Object.keys(expected)).toEqual(['alpha', 'Beta-2']);
    const neighbours = new MarkedTenants(dataDir);
    for (let life = 0; life < 2; life++) {
      kiln = await startKiln({ dataDir, flags: anyTime });
      await neighbours.push(kiln.url);
      for (const [tenant, sums] of Object.entries(expected)) {
        expect(Object.keys(sums).length).toBeGreaterThan(3);
        expect(await readSums(kiln.url, tenant)).toEqual(sums);
      }
      await neighbours.look(kiln);
      // A clean stop cuts what the heads hold.
      expect(await kiln.stop()).toBe(0);
      await neighbours.lookAround(kiln.output());
    }
  });
});
