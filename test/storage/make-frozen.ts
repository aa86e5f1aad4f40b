import { cp, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { startKiln } from '../support/kiln-process.ts';
import { anyTime, pushFixtures, readSums } from './frozen.ts';

/*
 * node --conditions=source test/storage/make-frozen.ts DIR
 * Makes a data directory as this version writes it: two tenants, objects of two cuts, and records that only the log holds. Run once per version of
 * the format; what it made is never made again.
 */
const target = process.argv[2];
if (target === undefined) throw new Error('name the folder to make');
const dataDir = await mkdtemp(join(tmpdir(), 'kiln-frozen-'));
const tenants = { alpha: ['checkout', 'search'], 'Beta-2': ['checkout', 'billing'] };

for (const [round, age] of ['1s', '1s', '1h'].entries()) {
  const kiln = await startKiln({ dataDir, flags: [...anyTime, `--ingester.cut-max-age=${age}`] });
  const nowMs = Date.now();
  for (const [tenant, services] of Object.entries(tenants)) {
    await pushFixtures(kiln.url, tenant, nowMs, round === 2 ? services.toReversed() : services);
  }
  if (age === '1s') await sleep(4_000);
  await kiln.kill();
}

const kiln = await startKiln({ dataDir, flags: [...anyTime, '--ingester.cut-max-age=1h'] });
const expected: Record<string, unknown> = {};
for (const tenant of Object.keys(tenants)) expected[tenant] = await readSums(kiln.url, tenant);
await kiln.kill();

await rm(target, { recursive: true, force: true });
await cp(dataDir, join(target, 'data'), {
  recursive: true,
  filter: (path) => !/^lock\.\d+|^\+tmp$/.test(basename(path)),
});
await writeFile(join(target, 'expected.json'), `${JSON.stringify(expected, null, 1)}\n`);
await rm(dataDir, { recursive: true });
process.stdout.write(`${target}: ${(await readdir(target)).join(' ')}\n`);
