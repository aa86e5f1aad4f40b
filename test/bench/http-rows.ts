import { mkdtemp, rm } from 'node:fs/promises';
import { Agent, createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { cpuOf } from '../support/cpu-of.ts';
import { kilnIsBuilt, startKiln } from '../support/kiln-process.ts';
import { withTimeNanos } from '../support/shift-time.ts';
import { gunzipSync, gzipSync } from 'node:zlib';
import { ratio, row, timed, type Effort, type Row } from './measure.ts';
import { gunzipAll, type Push } from './pipeline.ts';

/** Each worker thread of the server compiles for itself, and meets a part of the profiles only. */
const WARM_UP = 12;

/**
 * A whole HTTP push, through a server of its own process: CPU that the server spends on it, all roles together, over G; beside it a bare server that
 * receives the same bytes and drops them.
 */
export async function httpRows(pushes: readonly Push[], { rounds }: Effort): Promise<Row[]> {
  if (!kilnIsBuilt()) return [];
  const dir = await mkdtemp(join(tmpdir(), 'kiln-bench-'));
  const kiln = await startKiln({ dataDir: dir });
  const bare = createServer((incoming, response) => {
    incoming.resume();
    incoming.on('end', () => response.end());
  });
  await new Promise<void>((done) => bare.listen(0, '127.0.0.1', done));
  const bareUrl = `http://127.0.0.1:${(bare.address() as AddressInfo).port}`;
  const agent = new Agent({ keepAlive: true, maxSockets: 4 });
  const kilnCpu: number[] = [];
  const bareCpu: number[] = [];
  const gunzip: number[] = [];
  try {
    for (let round = 0; round < WARM_UP + rounds; round++) {
      const nowNanos = BigInt(Date.now()) * 1_000_000n;
      const fresh = pushes.map(({ gzip, labels }, i) => ({
        gzip: gzipSync(withTimeNanos(new Uint8Array(gunzipSync(gzip)), nowNanos + BigInt(i) + 1n), { level: 1 }),
        labels,
      }));
      const before = await cpuOf(kiln.pid);
      await postAll(kiln.url, fresh, agent);
      // The heads catch up within moments.
      await new Promise((done) => setTimeout(done, 300));
      const spent = (await cpuOf(kiln.pid)) - before;
      const own = process.cpuUsage();
      await postAll(bareUrl, fresh, agent);
      const { user, system } = process.cpuUsage(own);
      const g = timed(() => gunzipAll(fresh));
      if (round < WARM_UP) continue;
      kilnCpu.push(spent);
      bareCpu.push((user + system) / 2_000);
      gunzip.push(g);
    }
  } finally {
    agent.destroy();
    bare.close();
    await kiln.stop();
    await rm(dir, { recursive: true, force: true });
  }
  const net = kilnCpu.map((ms, i) => ms - bareCpu[i]!);
  return [
    ratio('HTTP push, whole process: CPU less that of receiving', net, gunzip, 'G', 3.5),
    row(
      '  receiving and dropping the same bytes',
      bareCpu.map((ms) => (ms * 1_000) / pushes.length),
      'µs/push',
      undefined,
      'half of sender and receiver',
    ),
  ];
}

export async function postAll(url: string, pushes: readonly Push[], agent: Agent): Promise<void> {
  let next = 0;
  const client = async (): Promise<void> => {
    while (next < pushes.length) {
      const { gzip, labels } = pushes[next++]!;
      const name = labels.find((label) => label.name === 'service_name')!.value;
      const pod = labels.find((label) => label.name === 'pod')?.value ?? 'p';
      await post(`${url}/ingest?format=pprof&name=${encodeURIComponent(`${name}{pod=${pod}}`)}`, gzip, agent);
    }
  };
  await Promise.all([client(), client(), client(), client()]);
}

function post(url: string, body: Uint8Array, agent: Agent): Promise<void> {
  return new Promise((done, fail) => {
    const outgoing = request(
      url,
      { method: 'POST', agent, headers: { 'content-length': String(body.length) } },
      (response) => {
        response.resume();
        response.on('end', () =>
          response.statusCode === 200 ? done() : fail(new Error(`${url}: ${response.statusCode}`)),
        );
      },
    );
    outgoing.on('error', fail);
    outgoing.end(body);
  });
}
