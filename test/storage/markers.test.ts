import { crc32 } from 'node:zlib';
import { mkdtemp, mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, test } from 'vitest';
import { parseTenantId } from '@kiln/model';
import { makeRecord, segmentOf } from '../support/make-segment.ts';
import { kilnIsBuilt, kilnMain, startKiln } from '../support/kiln-process.ts';
import { findLeaks, type Marker } from '../support/markers.ts';
import { requireService } from '../support/services.ts';
import { pushRequest, tinyPprof } from '../process/tiny-pprof.ts';

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
    const kiln = await startKiln({ dataDir, flags: ['--auth.multitenancy-enabled=true', '--ingester.cut-max-age=1s'] });
    const push = async (i: number): Promise<void> => {
      for (const { tenant, word } of markers) {
        const labels = { __name__: 'process_cpu', service_name: `svc${word}`, [`label${word}`]: `value${word}` };
        const body = pushRequest([{ labels, profiles: [pprof(word, i)] }]);
        const headers = { 'content-type': 'application/proto', 'x-scope-orgid': tenant };
        expect((await fetch(`${kiln.url}/push.v1.PusherService/Push`, { method: 'POST', headers, body })).status).toBe(
          200,
        );
      }
    };
    for (let i = 0; i < 20; i++) await push(i);
    await sleep(2_500);
    // These stay in the log and the head for a moment: both are searched and asked too.
    for (let i = 20; i < 40; i++) await push(i);
    const range = { start: String(Date.now() - 600_000), end: String(Date.now() + 600_000) };
    for (const { tenant, word } of markers) {
      for (const [method, request] of [
        ['ProfileTypes', {}],
        ['LabelNames', {}],
        ['LabelValues', { name: 'service_name' }],
        ['LabelValues', { name: '__profile_type__' }],
        ['Series', {}],
        ['SelectMergeStacktraces', { profileTypeID: `process_cpu:cpu${word}:ns::`, labelSelector: '{}' }],
        ['SelectMergeProfile', { profileTypeID: `process_cpu:cpu${word}:ns::`, labelSelector: '{}' }],
        [
          'SelectSeries',
          { profileTypeID: `process_cpu:cpu${word}:ns::`, labelSelector: '{}', step: 15, groupBy: ['service_name'] },
        ],
      ] as const) {
        const headers = { 'content-type': 'application/json', 'x-scope-orgid': tenant };
        const body = JSON.stringify({ ...range, ...request });
        const text = await (
          await fetch(`${kiln.url}/querier.v1.QuerierService/${method}`, { method: 'POST', headers, body })
        ).text();
        expect(text).toContain(word);
        for (const other of markers)
          if (other.tenant !== tenant) expect(`${method}: ${text}`).not.toContain(other.word);
      }
    }
    expect(await findLeaks(dataDir, markers)).toEqual([]);
    expect(
      (await readdir(join(dataDir, 'objects/log'), { recursive: true })).filter((name) => name.includes('/s/')).length,
    ).toBeGreaterThan(0);
    const metrics = await (await fetch(`${kiln.url}/metrics`)).text();
    for (const { word } of markers) expect(kiln.output() + metrics).not.toContain(word);
    await kiln.stop();
    expect(await findLeaks(dataDir, markers)).toEqual([]);
    expect(await readdir(join(dataDir, 'objects/+tmp')).catch(() => [])).toEqual([]);
  });

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
