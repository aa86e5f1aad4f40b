import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { compareDiscovery, type Ask } from '../conformance/compare-answers.ts';
import { Oracle, readPush } from '../oracle/index.ts';
import { query } from '../support/http-client.ts';
import { kilnIsBuilt, kilnMain, startKiln, type RunningKiln } from '../support/kiln-process.ts';
import { MarkedTenants } from '../support/marked-tenants.ts';
import { findLeaks } from '../support/markers.ts';
import { long, requireService } from '../support/services.ts';
import { appOf, currentPrograms, hasTool, legacyPrograms, runProgram, tenantOf, type Program } from './programs.ts';
import { codeOf, readmePrograms, runReadmeProgram } from './readme-programs.ts';
import { recordingProxy, type Recorded, type RecordingProxy } from './recording-proxy.ts';
import { lastHour, shares, storedStrings, storedSum } from './stored.ts';

const repository = resolve(import.meta.dirname, '../..');
const built = requireService('kiln', kilnIsBuilt(), `${kilnMain} is not built`);

/** A bare machine installs and builds the programs first; Rust's takes a hundred seconds of CPU. */
const INSTALL_AND_RUN_MS = 1_200_000;

sdks('current', currentPrograms, 26);
// The old ones send what falls into whole windows of ten seconds by the clock, and drop the rest at exit.
if (long) sdks('legacy', legacyPrograms, 36);

function sdks(generation: string, all: readonly Program[], seconds: number): void {
  const programs = all.filter(({ tool }) => hasTool(tool));
  describe.skipIf(!built || programs.length < 2)(`${generation} SDKs, unchanged`, { timeout: 60_000 }, () => {
    let dir = '';
    let kiln: RunningKiln;
    let proxy: RecordingProxy;
    let printed: readonly string[] = [];

    beforeAll(async () => {
      dir = await mkdtemp(join(tmpdir(), 'kiln-sdk-'));
      kiln = await startKiln({
        dataDir: join(dir, 'data'),
        flags: ['--auth.multitenancy-enabled=true', '--ingester.cut-max-age=10s'],
      });
      proxy = await recordingProxy(kiln.url);
      printed = await Promise.all(programs.map((program) => runProgram(program, proxy.url, seconds)));
      await sleep(1_500);
    }, INSTALL_AND_RUN_MS);

    afterAll(async () => {
      proxy.close();
      await kiln.stop();
      await rm(dir, { recursive: true, force: true });
    });

    test.each(programs)(
      '$name: four fifths of the work are in the hot loop, also of the half with a label',
      async (program) => {
        const app = `service_name="${appOf(program)}"`;
        for (const selector of [`{${app}}`, `{${app},${program.half}}`]) {
          const asked = { url: kiln.url, tenant: tenantOf(program), selector };
          const { kind, each } = program.counted;
          expect((await storedSum({ ...asked, kind })) / each, `samples of ${selector}`).toBeGreaterThanOrEqual(100n);
          for (const one of program.kinds) {
            const { hot, cold } = await shares({ ...asked, kind: one }, program);
            const share = Number(hot) / Number(hot + cold);
            expect(share, `${one}${selector}: hot ${hot}, cold ${cold}`).toBeGreaterThanOrEqual(0.7);
            expect(share, `${one}${selector}: hot ${hot}, cold ${cold}`).toBeLessThanOrEqual(0.9);
          }
        }
      },
    );

    test.each(programs)('$name: of every kind, what is stored is what the client was seen to send', async (program) => {
      const tenant = tenantOf(program);
      const sent = proxy.requests.filter(({ headers }) => headers['x-scope-orgid'] === tenant);
      expect(sent.length).toBeGreaterThan(1);
      expect(sent.map(({ status }) => status)).toEqual(sent.map(() => 200));
      const oracle = oracleOf(sent, tenant);
      const wanted = oracle.totals(tenant);
      expect([...wanted.keys()].toSorted()).toEqual([...program.kinds, ...program.others].toSorted());
      const stored = new Map<string, bigint>();
      for (const kind of wanted.keys())
        stored.set(kind, await storedSum({ url: kiln.url, tenant, kind, selector: '{}' }));
      expect(stored).toEqual(wanted);
      // No kind and no series beside them, and every label.
      const ask: Ask = (method, request, json) => query(kiln.url, method, request, { tenant, json });
      expect(await compareDiscovery({ ask, tenant, oracle, range: lastHour() })).toEqual([]);
    });

    const spans = programs.find(({ name }) => name === 'go-spans');
    test.skipIf(spans === undefined)(
      'go-spans: the span and the trace that it prints select exactly its samples',
      async () => {
        const tenant = tenantOf(spans!);
        const [, span, trace, attribute] =
          /span ([0-9a-f]{16}) trace ([0-9a-f]{32}) attribute (\S*)/.exec(printed[programs.indexOf(spans!)]!) ?? [];
        expect(attribute).toBe(span);
        const oracle = oracleOf(
          proxy.requests.filter(({ headers }) => headers['x-scope-orgid'] === tenant),
          tenant,
        );
        const range = lastHour();
        for (const kind of spans!.kinds) {
          const asked = { ...range, profileTypeId: kind, selector: '{}' };
          const request = { profileTypeID: kind, labelSelector: '{}', start: range.startMs, end: range.endMs };
          const ask = async (method: string, more: object): Promise<unknown> => {
            const answer = await query(kiln.url, method, { ...request, ...more }, { tenant, json: true });
            return answer['flamegraph'];
          };
          const whole = oracle.flameGraph(tenant, asked).total;
          const want = oracle.flameGraph(tenant, { ...asked, spanIds: [span!] });
          expect(want.total * 5n > whole && want.total < whole, `${want.total} of ${whole}`).toBe(true);
          const graph = {
            names: want.names,
            levels: want.levels.map((values) => ({ values: values.map(String) })),
            total: `${want.total}`,
            maxSelf: `${want.maxSelf}`,
          };
          expect(await ask('SelectMergeSpanProfile', { spanSelector: [span] })).toEqual(graph);
          expect(await ask('SelectMergeStacktraces', { spanSelector: [span] })).toEqual(graph);
          // Its library tells the trace since some version: then all samples of the span are of the trace.
          if (oracle.ids(tenant, asked).traces.length > 0)
            expect(await ask('SelectMergeStacktraces', { traceIdSelector: [trace] })).toEqual(graph);
          // Outside of the span, and in another one: the rest, and nothing.
          const half = await ask('SelectMergeStacktraces', { labelSelector: `{${spans!.half}}` });
          expect(half).toEqual(graph);
          const none = await ask('SelectMergeSpanProfile', { spanSelector: ['00000000000000ff'] });
          expect(none).toMatchObject({ names: ['total'] });
        }
      },
    );

    test('no tenant sees another', async () => {
      for (const [i, asked] of programs.entries()) {
        const own = { url: kiln.url, tenant: tenantOf(asked) };
        const strings = await storedStrings({ ...own, kind: asked.counted.kind, selector: '{}' });
        expect(strings).toContain(asked.marker);
        for (const other of programs.toSpliced(i, 1)) {
          expect(strings).not.toContain(other.marker);
          const selector = `{service_name="${appOf(other)}"}`;
          expect(await storedSum({ ...own, kind: other.counted.kind, selector })).toBe(0n);
        }
      }
      const markers = programs.flatMap((program) =>
        [program.marker, appOf(program)].map((word) => ({ tenant: tenantOf(program), word })),
      );
      for (const { word } of markers) expect(kiln.output()).not.toContain(word);
      expect(await findLeaks(join(dir, 'data'), markers)).toEqual([]);
    });
  });
}

describe.skipIf(!built)('README’s lines', () => {
  const runnable = readmePrograms.filter(({ tool }) => hasTool(tool));

  test.skipIf(runnable.length === 0)(
    'are lines that work: Python, Go, Node and Rust',
    async () => {
      const readme = await readFile(join(repository, 'README.md'), 'utf8');
      const dir = await mkdtemp(join(tmpdir(), 'kiln-readme-'));
      // README's reader has no tenant: a server as README starts it.
      const others = await MarkedTenants.before(join(dir, 'data'));
      const kiln = await startKiln({ dataDir: join(dir, 'data') });
      try {
        await Promise.all(runnable.map((program) => runReadmeProgram(program, codeOf(program, readme, kiln.url), dir)));
        await sleep(1_000);
        for (const { language, kind } of runnable) {
          const selector = `{service_name="readme-${language}",region="eu"}`;
          // A hundred samples of 10 ms.
          const sum = await storedSum({ url: kiln.url, kind, selector });
          expect([language, sum > 1_000_000_000n]).toEqual([language, true]);
        }
        await others.lookAsOther(kiln);
      } finally {
        await kiln.stop();
        await rm(dir, { recursive: true, force: true });
      }
    },
    300_000,
  );
});

/** The oracle's reading of what was recorded of a tenant. */
function oracleOf(sent: readonly Recorded[], tenant: string): Oracle {
  const oracle = new Oracle();
  for (const { url, headers, body, receivedMs } of sent) {
    const plain = headers['content-encoding'] === 'gzip' ? gunzipSync(body) : body;
    const [path, search] = url.split('?') as [string, string | undefined];
    const verdicts = path.endsWith('/Push')
      ? readPush(plain).flatMap(({ labels, samples }) =>
          samples.map(({ profile, id }) => oracle.push({ tenant, labels, pprofBytes: profile, receivedMs, id })),
        )
      : [
          oracle.ingest({
            tenant,
            query: Object.fromEntries(new URLSearchParams(search)),
            contentType: headers['content-type'] ?? '',
            body: plain,
            receivedMs,
          }),
        ];
    for (const verdict of verdicts) expect(verdict).toHaveProperty('stored');
  }
  return oracle;
}
