import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { readPprof, stacksOfAnswer } from '../oracle/index.ts';
import { connectPush } from '../support/http-client.ts';
import { buildPprof } from '../support/profile-builder.ts';
import { rawCall, type RawAnswer } from '../support/rpc-call.ts';
import { hasTool } from './programs.ts';
import {
  built,
  CPU,
  INUSE,
  TENANT,
  range,
  oracleRange,
  API,
  oracle,
  frames,
  get,
  graphOf,
  now,
  kiln,
  tenants,
  dir,
  serveReads,
} from './read-suite.ts';

/*
 * Reads by GET: tables and files of Kiln's own routes against the oracle, what Go's tools make of them, and statuses.
 */

serveReads();

describe.skipIf(!built)('tables and files of Kiln’s own routes', { timeout: 60_000 }, () => {
  const times = { from: String(range.start), until: String(range.end) };

  test('a table counts recursion once, and is of all samples whatever the graph keeps', async () => {
    const answer = await get('/api/v1/flamegraph', { query: `${CPU}${API}`, ...times, maxNodes: '1', limit: '0' });
    const { total, functions, flamegraph } = JSON.parse(answer.body.toString()) as {
      total: number;
      functions: { name: string; flat: { value: number; ofWhole: number }; cum: { value: number } }[];
      flamegraph: { names: string[] };
    };
    const stacks = oracle.pprof(TENANT, { ...oracleRange, profileTypeId: CPU, selector: API });
    const sum = (wantedStacks: typeof stacks): number =>
      wantedStacks.reduce((all, { value }) => all + Number(value), 0);
    const isIn = (frame: string, name: string): boolean => frame.includes(name);
    expect(total).toBe(sum(stacks));
    const parse = functions.find(({ name }) => name === 'parse')!;
    expect(parse.cum.value).toBe(sum(stacks.filter(({ frames: all }) => all.some((frame) => isIn(frame, 'parse')))));
    expect(parse.flat.value).toBe(sum(stacks.filter(({ frames: all }) => isIn(all[0]!, 'parse'))));
    expect(functions.map(({ name }) => name).toSorted()).toEqual(['idle-api', 'main', 'parse', 'serve']);
    expect(flamegraph.names).toContain('other');
    const view = await get('/api/v1/top', { query: `${CPU}${API}`, ...times, function: 'idle-api' });
    expect(JSON.parse(view.body.toString())).toMatchObject({
      total,
      view: { function: 'idle-api', total: 50 },
      functionCount: 2,
    });
  });

  test('memory in use is an average by default: per series the mean, then the sum over series', async () => {
    const answer = await get('/api/v1/top', { query: `${INUSE}{}`, ...times });
    const rows = oracle.stored(TENANT).filter(({ typeId }) => typeId === INUSE);
    const bySeries = Map.groupBy(rows, ({ labels }) => JSON.stringify(labels));
    const means = [...bySeries.values()].map(
      (own) => own.reduce((sum, { total }) => sum + Number(total), 0) / own.length,
    );
    expect(JSON.parse(answer.body.toString())).toMatchObject({
      aggregation: 'average',
      total: means.reduce((sum, mean) => sum + mean, 0),
    });
    const sum = await get('/api/v1/top', { query: `${INUSE}{}`, ...times, aggregation: 'sum' });
    expect(JSON.parse(sum.body.toString())).toMatchObject({ total: Number(graphOf('{}', INUSE).total) });
  });

  test('a pprof is the same by GET as by RPC; a name alone answers all its types', async () => {
    const one = await get('/pprof', { query: `${CPU}${API}`, ...times });
    expect(one.headers['content-disposition']).toContain('.pb.gz');
    const { stacks } = stacksOfAnswer(gunzipSync(one.body));
    expect(stacks).toEqual(oracle.pprof(TENANT, { ...oracleRange, profileTypeId: CPU, selector: API }));
    const all = await get('/pprof', { query: `process_cpu${API}`, ...times });
    const both = stacksOfAnswer(gunzipSync(all.body));
    expect(both.sampleType).toEqual(['samples/count', 'cpu/nanoseconds']);
    const { defaultSampleType, stringTable } = readPprof(gunzipSync(all.body));
    expect(Buffer.from(stringTable[Number(defaultSampleType)]!).toString()).toBe('cpu');
    const ofRange = { ...oracleRange, selector: API };
    const counts = oracle.pprof(TENANT, { ...ofRange, profileTypeId: CPU.replace('cpu:nanoseconds', 'samples:count') });
    expect(both.stacks).toEqual(counts);
    expect((await get('/pprof', { query: 'nothing{}', ...times })).status).toBe(404);
  });
});

describe.skipIf(!built || !hasTool('go'))('Go’s own tools', { timeout: 120_000 }, () => {
  const run = (args: string[], cwd: string): string => {
    const done = spawnSync('go', args, {
      cwd,
      encoding: 'utf8',
      env: { ...process.env, PPROF_TMPDIR: cwd, GOFLAGS: '-mod=mod', GOTOOLCHAIN: 'local' },
    });
    expect([done.status, done.stderr], args.join(' ')).toMatchObject([0, expect.anything()]);
    return done.stdout;
  };
  /** flat, cum and name of each row. */
  const rows = (text: string): string[][] =>
    text
      .split('\n')
      .slice(text.split('\n').findIndex((line) => line.includes('flat%')) + 1)
      .filter((line) => line.trim() !== '')
      .map((line) => line.trim().split(/\s+/))
      .map(([flat, , , cum, , ...name]) => [flat!, cum!, name.join(' ')]);

  test('print the same rows of the address as of the file that was pushed', async () => {
    const service = '{service_name="one-file"}';
    const bytes = buildPprof({
      types: [['cpu', 'nanoseconds']],
      periodType: ['cpu', 'nanoseconds'],
      period: 10_000_000n,
      timeNanos: BigInt(now) * 1_000_000n + 99n,
      samples: [
        { frames: frames('main.main;main.run;main.run'), values: [30_000_000n] },
        { frames: frames('main.main;main.other'), values: [70_000_000n] },
      ],
    });
    const file = join(dir, 'pushed.pprof');
    writeFileSync(file, bytes);
    const labels: [string, string][] = [
      ['__name__', 'process_cpu'],
      ['service_name', 'one-file'],
    ];
    expect((await connectPush(kiln.url, [{ labels, samples: [{ profile: bytes }] }])).status).toBe(200);
    const parameters = new URLSearchParams({
      query: `${CPU}${service}`,
      from: String(range.start),
      until: String(range.end),
    });
    const asked = rows(run(['tool', 'pprof', '-top', `${kiln.url}/pprof?${parameters.toString()}`], dir));
    expect(asked).toEqual(rows(run(['tool', 'pprof', '-top', file], dir)));
    expect(asked).toHaveLength(3);
  });

  test('build with it', async () => {
    const { body } = await get('/pprof', {
      query: `process_cpu${API}`,
      from: String(range.start),
      until: String(range.end),
    });
    writeFileSync(join(dir, 'default.pgo'), body);
    writeFileSync(join(dir, 'go.mod'), 'module example.org/pgo\n\ngo 1.21\n');
    writeFileSync(join(dir, 'main.go'), 'package main\n\nfunc main() { println(1) }\n');
    run(['build', '-pgo=default.pgo', '-o', 'program', '.'], dir);
  });
});

describe.skipIf(!built)('statuses of reads by GET', { timeout: 60_000 }, () => {
  const render = '/pyroscope/render';
  const query = `${CPU}${API}`;
  const times = { from: String(range.start), until: String(range.end) };

  test.each([
    [200, { query, ...times }],
    [200, { query }],
    [200, { query, ...times, aggregation: 'whatever', maxNodes: 'many', format: 'json' }],
    [200, { query: `{__name__="${CPU}"}`, from: 'now-1h', until: 'nonsense' }],
    [400, { query, ...times, from: '0' }],
    [400, { query, ...times, until: '0' }],
    [400, { query, from: times.until, until: times.from }],
    [400, { ...times }],
    [400, { query: '', ...times }],
    [400, { query: '{service_name="api"}', ...times }],
    [400, { query: 'process_cpu:cpu{}', ...times }],
    [400, { query: `${CPU}{a=`, ...times }],
    [400, { query, ...times, maxNodes: '-1' }],
    [400, { query, ...times, maxNodes: '1000000000' }],
  ])('/pyroscope/render is %d for %j', async (status, parameters) => {
    const answer = await get(render, parameters as Record<string, string>);
    expect([answer.status, answer.headers['content-type']]).toEqual([status, 'application/json']);
    if (status === 400) expect(JSON.parse(answer.body.toString())).toMatchObject({ code: 'invalid_argument' });
  });

  test.each(['/pyroscope/render', '/pyroscope/render-diff', '/pyroscope/label-values', '/api/v1/top', '/pprof'])(
    '%s takes GET and HEAD alone, and a tenant where they are kept apart',
    async (path) => {
      for (const method of ['POST', 'PUT', 'DELETE', 'PATCH']) {
        const { status, headers } = await rawCall(kiln.url, { transport: 'http1', method, path });
        expect([status, headers['allow']], method).toEqual([405, 'GET, HEAD']);
      }
      const asked = (headers: Record<string, string>): Promise<RawAnswer> =>
        rawCall(tenants.url, { transport: 'http1', method: 'GET', path, headers });
      expect((await asked({})).status).toBe(401);
      expect((await asked({ 'x-scope-orgid': 'a||b' })).status).toBe(400);
    },
  );
});
