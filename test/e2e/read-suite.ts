import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect } from 'vitest';
import { Oracle, querierMessages } from '../oracle/index.ts';
import { connectPush } from '../support/http-client.ts';
import { kilnIsBuilt, kilnMain, startKiln, type RunningKiln } from '../support/kiln-process.ts';
import { manyTenants, MarkedTenants } from '../support/marked-tenants.ts';
import { buildPprof, type BuiltSample } from '../support/profile-builder.ts';
import { rawCall, rpcCall, type RawAnswer } from '../support/rpc-call.ts';
import { requireService } from '../support/services.ts';

/*
 * What the tests of reads stand on: two services, two kinds of profile and what profilecli's canary sends, in a running server and in the oracle; and the
 * ways in which clients ask (contract/clients.md §2).
 */

export const built = requireService('kiln', kilnIsBuilt(), `${kilnMain} is not built`);

/** A message in protobuf JSON. */
export type Json = Record<string, unknown>;

export const CPU = 'process_cpu:cpu:nanoseconds:cpu:nanoseconds';
export const SAMPLES = 'process_cpu:samples:count:cpu:nanoseconds';
export const INUSE = 'memory:inuse_space:bytes:space:bytes';
export const CANARY = 'deadmans_switch:made_up:profilos:made_up:profilos';
export const CANARY_SPAN = '00000bac2a5ab0c7';
export const TENANT = 'anonymous';

export const now = Date.now();
export const range = { start: now - 600_000, end: now + 60_000 };
export const oracleRange = { startMs: range.start, endMs: range.end };
export const API = '{service_name="api"}';

export let dir = '';
export let kiln: RunningKiln;
export let tenants: RunningKiln;
let neighbours: MarkedTenants;
export const oracle = new Oracle();

export const frames = (path: string): BuiltSample['frames'] =>
  path
    .split(';')
    .map((name) => ({ name, file: `${name}.go`, startLine: 3, line: 7 }))
    .toReversed();

/** The end-to-end data: two services, two kinds of profile, a label per pod; then what the canary sends. */
export function profiles(): { labels: [string, string][]; bytes: Uint8Array }[] {
  const sent: { labels: [string, string][]; bytes: Uint8Array }[] = [];
  for (const [n, service] of ['api', 'api', 'web'].entries()) {
    for (let minute = 1; minute <= 5; minute++) {
      const timeNanos = BigInt(now - minute * 60_000) * 1_000_000n + BigInt(n + 1);
      const labels: [string, string][] = [
        ['service_name', service],
        ['pod', `pod-${n}`],
        ['k8s.namespace', 'prod'],
      ];
      const work = BigInt(minute * 1000 + n);
      sent.push({
        labels: [['__name__', 'process_cpu'], ...labels],
        bytes: buildPprof({
          types: [
            ['samples', 'count'],
            ['cpu', 'nanoseconds'],
          ],
          periodType: ['cpu', 'nanoseconds'],
          period: 10_000_000n,
          timeNanos,
          durationNanos: 10_000_000_000n,
          samples: [
            { frames: frames('main;serve;parse'), values: [1n, work] },
            { frames: frames('main;serve;parse;parse'), values: [2n, 2n * work] },
            { frames: frames(`main;idle-${service}`), values: [3n, 5n] },
          ],
        }),
      });
      sent.push({
        labels: [['__name__', 'memory'], ...labels],
        bytes: buildPprof({
          types: [['inuse_space', 'bytes']],
          periodType: ['space', 'bytes'],
          period: 524_288n,
          timeNanos,
          samples: [{ frames: frames('main;cache'), values: [work * BigInt(minute)] }],
        }),
      });
    }
  }
  sent.push({
    labels: [
      ['__name__', 'deadmans_switch'],
      ['service_name', 'pyroscope-canary-exporter'],
      ['job', 'canary-exporter'],
    ],
    bytes: buildPprof({
      types: [['made_up', 'profilos']],
      periodType: ['made_up', 'profilos'],
      period: 1n,
      timeNanos: BigInt(now) * 1_000_000n + 7n,
      samples: [
        { frames: frames('func2;func1'), values: [10n] },
        { frames: frames('func1'), values: [20n], labels: [['profile_id', CANARY_SPAN]] },
      ],
    }),
  });
  return sent;
}

/** Starts two servers before the tests of a file, sends the first the data, and stops both after them. Called once in each file. */
export function serveReads(): void {
  beforeAll(async () => {
    if (!built) return;
    dir = mkdtempSync(join(tmpdir(), 'kiln-grafana-'));
    kiln = await startKiln({ dataDir: join(dir, 'one'), timeoutMs: 90_000 });
    tenants = await startKiln({
      dataDir: join(dir, 'many'),
      flags: [manyTenants],
      timeoutMs: 90_000,
    });
    neighbours = new MarkedTenants(join(dir, 'many'));
    await neighbours.push(tenants.url);
    for (const { labels, bytes } of profiles()) {
      oracle.push({ tenant: TENANT, labels, pprofBytes: bytes, receivedMs: now });
      const { status } = await connectPush(kiln.url, [{ labels, samples: [{ profile: bytes }] }]);
      if (status !== 200) throw new Error(`a push was answered ${status}`);
    }
  }, 240_000);
  afterAll(async () => {
    if (!built) return;
    await neighbours.look(tenants);
    await Promise.all([kiln.stop(), tenants.stop()]);
    rmSync(dir, { recursive: true, force: true });
  });
}

/** As connect-go sends it: binary, with the protocol's version, over HTTP/1.1. */
export async function dataSource(method: string, request: Json): Promise<Json> {
  const { request: form, response } = querierMessages[method]!;
  const answer = await rpcCall(kiln.url, {
    protocol: 'connect',
    transport: 'http1',
    path: `/querier.v1.QuerierService/${method}`,
    body: form.encode(request),
    headers: { 'connect-protocol-version': '1', 'accept-encoding': 'gzip', 'user-agent': 'connect-go/1.19.2' },
  });
  expect([answer.status, answer.headers['content-type']]).toEqual([200, 'application/proto']);
  return response === undefined ? { profile: answer.message } : response.decode(answer.message);
}

/** As Drilldown sends it through Grafana's proxy: JSON without the protocol's version. */
export async function drilldown(path: string, request: Json, url = kiln.url, more: Record<string, string> = {}) {
  const headers = { 'content-type': 'application/json', 'x-grafana-org-id': '1', ...more };
  const answer = await rawCall(url, {
    transport: 'http1',
    method: 'POST',
    path: `/${path}`,
    headers,
    body: JSON.stringify(request),
  });
  return { status: answer.status, body: JSON.parse(answer.body.toString()) as Json };
}

export const get = (path: string, parameters: Record<string, string> = {}): Promise<RawAnswer> =>
  rawCall(kiln.url, {
    transport: 'http1',
    method: 'GET',
    path: `${path}?${new URLSearchParams(parameters).toString()}`,
  });

export const graphOf = (selector: string, type = CPU) =>
  oracle.flameGraph(TENANT, { ...oracleRange, profileTypeId: type, selector });

/** A graph of JSON with 64-bit numbers as text, or of a binary answer. */
export function graphIn(message: Json): unknown {
  const graph = message['flamegraph'] as { names: string[]; levels: { values: unknown[] }[]; total: string };
  return { names: graph.names, levels: graph.levels.map(({ values }) => values.map((v) => BigInt(v as string))) };
}

export const wanted = (selector: string, type = CPU): unknown => {
  const { names, levels } = graphOf(selector, type);
  return { names, levels };
};
