import { globSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Oracle, type Verdict } from '../oracle/index.ts';
import { capturedPrefix, dataDir, whyNoData } from '../support/captured.ts';
import { query } from '../support/http-client.ts';
import { kilnIsBuilt, kilnMain, startKiln, type RunningKiln } from '../support/kiln-process.ts';
import { MarkedTenants, manyTenants } from '../support/marked-tenants.ts';
import { long, requireService } from '../support/services.ts';
import { compareDiscovery, compareType, OracleMemo, type Ask, type Comparison } from './compare-answers.ts';
import { compareMethods } from './compare-methods.ts';
import { captureSends, fixtureSources, realSources, sendsOf, type Send } from './sends.ts';

const TENANT = 'conformance';
const nowMs = Date.now();
const built = requireService('kiln', kilnIsBuilt(), `${kilnMain} is not built`);
const hasData = requireService('real profiles', dataDir !== undefined, whyNoData);
const range = { startMs: nowMs - 3_000_000, endMs: nowMs + 3_000_000 };

describe.skipIf(!built)('a running server answers as the oracle', { timeout: 1_800_000 }, () => {
  const dir = mkdtempSync(join(tmpdir(), 'kiln-conformance-'));
  // Jobs are small, so that there are many and their blocks are merged.
  const flags = [
    manyTenants,
    '--ingester.cut-max-age=2s',
    '--compactor.interval=1h',
    '--compactor.max-job-bytes=64KiB',
  ];
  const oracle = new Oracle();
  const neighbour = new Oracle();
  const memo = new OracleMemo();
  const neighbours = new MarkedTenants(dir);
  let kiln: RunningKiln;

  beforeAll(async () => {
    kiln = await startKiln({ dataDir: dir, flags });
    await neighbours.push(kiln.url);
  });
  afterAll(async () => {
    await neighbours.look(kiln);
    await kiln.stop();
    rmSync(dir, { recursive: true, force: true });
  });

  test('every push gets the verdict of the contract', async () => {
    const sources = [...fixtureSources(nowMs), ...(hasData ? realSources(nowMs) : [])];
    const sends = [
      ...sources.flatMap((source, turn) => sendsOf(source, nowMs, long ? undefined : turn)),
      ...captureSends(nowMs, { below: false }),
    ];
    const wrong: string[] = [];
    for (const send of sends) wrong.push(...(await sendAndAsk(send, kiln.url, oracle, TENANT)));
    // Another tenant's data lies beside it: every answer below is compared whole, so none of it may show.
    for (const source of fixtureSources(nowMs)) {
      wrong.push(...(await sendAndAsk(sendsOf(source, nowMs, 0)[0]!, kiln.url, neighbour, 'neighbour')));
    }
    process.stdout.write(`conformance: ${sends.length} requests, ${oracle.totals(TENANT).size} profile types\n`);
    expect(wrong).toEqual([]);
  });

  test('stacks, values, lines and mappings, before a cut', async () => {
    expect(await compareAll(true, 0)).toEqual([]);
  });

  test('the same after a cut, each way of asking again', async () => {
    await sleep(4_000);
    expect(globSync(join(dir, 'objects/log/*/m/*')).length, 'manifests of cuts').toBeGreaterThan(0);
    expect(await compareAll(true)).toEqual([]);
  });

  test('the same after compaction, and after the blocks were merged', async () => {
    const answer = await fetch(`${kiln.url}/api/v1/operator/compact`, { method: 'POST' });
    const round = (await answer.json()) as { jobs: number; troubles: string[] };
    expect({ status: answer.status, troubles: round.troubles }).toEqual({ status: 200, troubles: [] });
    process.stdout.write(`conformance: ${round.jobs} compaction jobs\n`);
    expect(round.jobs).toBeGreaterThan(5);
    expect(globSync(join(dir, 'objects/tenants/*/b/*')).length).toBeGreaterThan(2);
    expect(await compareAll(true, 6)).toEqual([]);
  });

  test('the same after a restart, and after a crash', async () => {
    await kiln.stop();
    kiln = await startKiln({ dataDir: dir, flags });
    expect(await compareAll(false)).toEqual([]);
    await kiln.kill();
    kiln = await startKiln({ dataDir: dir, flags });
    expect(await compareAll(false)).toEqual([]);
  });

  const compareAll = (thorough: boolean, turn?: number): Promise<string[]> =>
    compareTenant({ ask: asking(kiln.url), tenant: TENANT, oracle, range }, memo, thorough, turn);
});

test.skipIf(!built || !hasData)('what clients sent below a prefix, to a server of that prefix', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'kiln-prefix-'));
  const kiln = await startKiln({
    dataDir: dir,
    flags: [manyTenants, `--server.path-prefix=${capturedPrefix}`],
    timeoutMs: 90_000,
  });
  const neighbours = new MarkedTenants(dir);
  try {
    await neighbours.push(kiln.url);
    const oracle = new Oracle();
    const sends = captureSends(nowMs, { below: true });
    const wrong: string[] = [];
    for (const send of sends) wrong.push(...(await sendAndAsk(send, kiln.url, oracle, TENANT)));
    expect(wrong).toEqual([]);
    expect(sends.length).toBeGreaterThan(0);
    expect(oracle.totals(TENANT).size).toBeGreaterThan(0);
    // Its address ends with the prefix, so the queries too go below it.
    expect(
      await compareTenant({ ask: asking(kiln.url), tenant: TENANT, oracle, range }, new OracleMemo(), true),
    ).toEqual([]);
    await neighbours.look(kiln);
  } finally {
    await kiln.stop();
    rmSync(dir, { recursive: true, force: true });
  }
});

/** Queries of the tenant at a server. */
function asking(url: string): Ask {
  return (method, request, json) => query(url, method, request, { tenant: TENANT, json });
}

/**
 * All that a tenant can ask, against the oracle.
 * @param turn of every twelve types, the one that is asked by every method, beside those that have spans; none unless told.
 * @returns sentences, none when all agree
 */
async function compareTenant(
  comparison: Comparison,
  memo: OracleMemo,
  thorough: boolean,
  turn?: number,
): Promise<string[]> {
  const { tenant, oracle } = comparison;
  const wrong = await compareDiscovery(comparison);
  const sets = oracle.series(tenant, range, { labelNames: ['service_name', '__profile_type__'] });
  // Unless long: every answer of one form of each file by one codec in turn, and of the others the flame graph, lines and series.
  for (const [i, set] of sets.entries()) {
    const { service_name: service, __profile_type__: type } = Object.fromEntries(set);
    const full = thorough && (long || !/\.(?!ingest-form-gzip)(?:push|ingest)-/.test(service!));
    const codecs = long ? [true, false] : [i % 2 === 0];
    wrong.push(...(await compareType(comparison, memo, service!, type!, { codecs, full })));
    const asked = { ...range, profileTypeId: type!, selector: `{service_name="${service}"}` };
    const inTurn = turn !== undefined && (i % 12 === turn || oracle.ids(tenant, asked).spans.length > 0);
    if (full && thorough && (long || inTurn)) wrong.push(...(await compareMethods(comparison, service!, type!)));
  }
  return wrong.slice(0, 20);
}

/** Sends a request and compares what came back with the verdicts of its profiles. */
async function sendAndAsk(send: Send, url: string, oracle: Oracle, tenant: string): Promise<string[]> {
  const receivedMs = Date.now();
  const verdicts = send.ask(oracle, tenant, receivedMs);
  const answer = await send.send(url, tenant);
  const refused = verdicts.filter((verdict): verdict is Extract<Verdict, { status: number }> => 'status' in verdict);
  const want = refused[0]?.status ?? 200;
  const text = Buffer.from(answer.body).toString();
  if (answer.status !== want)
    return [`${send.name}: ${answer.status} ${text}, the oracle says ${want} ${refused[0]?.message ?? ''}`];
  if (refused.length === 0) return [];
  const { code } = JSON.parse(text) as { code?: string };
  return refused.some((verdict) => verdict.status === 422 || verdict.code === code)
    ? []
    : [`${send.name}: code ${code}, the oracle says ${refused[0]!.code}`];
}
