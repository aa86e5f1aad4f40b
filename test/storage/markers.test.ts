import { crc32 } from 'node:zlib';
import { mkdtemp, mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createServer, request as httpRequest } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import { parseTenantId } from '@kiln/model';
import { makeRecord, segmentOf } from '../support/make-segment.ts';
import { kilnIsBuilt, kilnMain, startKiln } from '../support/kiln-process.ts';
import { MarkedTenants, manyTenants } from '../support/marked-tenants.ts';
import { findLeaks, type Marker } from '../support/markers.ts';
import { requireService } from '../support/services.ts';
import { tinyPprof } from '../process/tiny-pprof.ts';

const built = requireService('kiln', kilnIsBuilt(), `${kilnMain} is not built`);
const markers: Marker[] = [
  { tenant: 'alpha', word: 'ALPHAMARK' },
  { tenant: 'beta', word: 'BETAMARK' },
];
const folders: string[] = [];
afterEach(async () => {
  for (const folder of folders.splice(0)) await rm(folder, { recursive: true, force: true });
});

async function newFolder(): Promise<string> {
  const made = await mkdtemp(join(tmpdir(), 'kiln-markers-'));
  folders.push(made);
  return made;
}

/** The objects of cuts. */
async function segmentsOf(dataDir: string): Promise<string[]> {
  const names = await readdir(join(dataDir, 'objects/log'), { recursive: true });
  return names.filter((name) => name.includes('/s/'));
}

function pprof(word: string, i: number): Uint8Array {
  return tinyPprof({
    type: `cpu${word}`,
    unit: 'ns',
    timeNanos: BigInt(Date.now()) * 1_000_000n + BigInt(i) + 1n,
    stacks: [{ frames: [`${word}_leaf${i}`, `${word}_main`], value: 3n }],
  });
}

describe('two tenants', { timeout: 60_000 }, () => {
  test.skipIf(!built)('meet in no answer, no line of output and no byte on disk', async () => {
    const dataDir = await newFolder();
    const kiln = await startKiln({ dataDir, flags: [manyTenants, '--ingester.cut-max-age=1s'] });
    try {
      const tenants = new MarkedTenants(dataDir);
      for (let i = 0; i < 20; i++) await tenants.push(kiln.url);
      await expect.poll(() => segmentsOf(dataDir), { timeout: 20_000 }).not.toEqual([]);
      // These stay in the log and the head for a moment: both are searched and asked too.
      for (let i = 0; i < 20; i++) await tenants.push(kiln.url);
      await tenants.look(kiln);
      await kiln.stop();
      await tenants.lookAround(kiln.output());
      expect(await readdir(join(dataDir, 'objects/+tmp')).catch(() => [])).toEqual([]);
    } finally {
      await kiln.kill();
    }
  });

  test.skipIf(!built)(
    'are told apart by who looks: a planted leak in an answer, in the output or on disk is noticed',
    async () => {
      const dataDir = await newFolder();
      const kiln = await startKiln({ dataDir, flags: [manyTenants] });
      // A server that takes everybody for one and the same tenant.
      const confused = createServer((request, response) => {
        const headers = { ...request.headers, 'x-scope-orgid': 'everybody' };
        const asked = httpRequest(kiln.url + request.url!, { method: request.method!, headers }, (answer) => {
          response.writeHead(answer.statusCode!, answer.headers);
          answer.pipe(response);
        });
        request.pipe(asked);
      });
      await new Promise<void>((done) => confused.listen(0, '127.0.0.1', done));
      try {
        const tenants = new MarkedTenants(dataDir);
        await tenants.push(kiln.url);
        await tenants.look(kiln);
        const mixed = new MarkedTenants(dataDir);
        const url = `http://127.0.0.1:${(confused.address() as AddressInfo).port}`;
        await mixed.push(url);
        await expect(mixed.look({ url, output: kiln.output })).rejects.toThrow(/Series of north names SOUTHMARK/);
        await expect(tenants.look({ url: kiln.url, output: () => 'level=warn service=svcNORTHMARK' })).rejects.toThrow(
          /the process said "NORTHMARK"/,
        );
        await kiln.stop();
        const clean = new MarkedTenants(await newFolder());
        await clean.lookAround(kiln.output());
        await writeFile(join(dataDir, 'note'), 'NORTHMARK');
        await expect(tenants.lookAround(kiln.output())).rejects.toThrow(/note: "NORTHMARK" of north/);
      } finally {
        await kiln.kill();
        confused.close();
      }
    },
  );

  test('whose bytes were mixed are noticed: in an object, in the log and in any other file', async () => {
    const [alpha, beta] = ['alpha', 'beta'].map((name) => parseTenantId(name)) as [never, never];
    const dataDir = await newFolder();
    const log = '0123456789abcdef-0';
    await mkdir(join(dataDir, 'objects/log', log, 's'), { recursive: true });
    await mkdir(join(dataDir, 'log/0'), { recursive: true });
    const object = join(dataDir, 'objects/log', log, 's/-1-0-aa');
    const file = join(dataDir, 'log/0/0000000000000000.log');
    const frame = (record: Uint8Array): Buffer => {
      const head = Buffer.alloc(16);
      head.writeUInt32LE(record.length, 0);
      head.writeUInt32LE(crc32(record), 4);
      return Buffer.concat([head, record]);
    };
    await writeFile(
      object,
      segmentOf(log, [
        [alpha, pprof('ALPHAMARK', 1)],
        [beta, pprof('BETAMARK', 1)],
      ]),
    );
    await writeFile(
      file,
      Buffer.concat([frame(makeRecord(alpha, pprof('ALPHAMARK', 2))), frame(makeRecord(beta, pprof('BETAMARK', 2)))]),
    );
    expect(await findLeaks(dataDir, markers)).toEqual([]);

    await writeFile(
      object,
      segmentOf(log, [
        [alpha, pprof('ALPHAMARK', 1)],
        [beta, pprof('ALPHAMARK', 1)],
      ]),
    );
    expect((await findLeaks(dataDir, markers)).join()).toMatch(/s\/-1-0-aa: "ALPHAMARK" of alpha in bytes of beta/);
    await writeFile(object, segmentOf(log, []));
    await writeFile(file, frame(makeRecord(beta, pprof('ALPHAMARK', 2))));
    expect((await findLeaks(dataDir, markers)).join()).toMatch(
      /\.log at byte 0: "ALPHAMARK" of alpha in bytes of beta/,
    );
    await writeFile(file, '');
    await writeFile(join(dataDir, 'version'), 'BETAMARK');
    expect((await findLeaks(dataDir, markers)).join()).toMatch(/version: "BETAMARK" of beta in no tenant/);
  });
});
