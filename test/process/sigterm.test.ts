import { mkdtempSync, rmSync } from 'node:fs';
import { Agent, request as httpRequest } from 'node:http';
import { connect as connectHttp2, constants } from 'node:http2';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { query } from '../support/http-client.ts';
import { kilnIsBuilt, kilnMain, startKiln } from '../support/kiln-process.ts';
import { MarkedTenants, manyTenants } from '../support/marked-tenants.ts';
import { streamCall } from '../support/rpc-call.ts';
import { seededRandom } from '../support/seeded-random.ts';
import { long, requireService } from '../support/services.ts';
import { pushRequest, tinyPprof } from './tiny-pprof.ts';

const built = requireService('kiln', kilnIsBuilt(), `${kilnMain} is not built`);
const PUSH = '/push.v1.PusherService/Push';
const TENANT = 'loaded';
const rounds = long ? 100 : 4;

/** What became of a push. Refused is safe: nothing of it was taken, or the answer says to send it again. */
type Outcome = 'stored' | 'refused' | `lost: ${string}`;

test.skipIf(!built)(
  `row 39: stopped ${rounds} times under load, no push in flight fails that was not told to retry, and what was acknowledged is there`,
  { timeout: long ? 10_800_000 : 1_800_000 },
  async () => {
    const dataDir = mkdtempSync(join(tmpdir(), 'kiln-sigterm-'));
    const random = seededRandom('sigterm');
    const startedMs = Date.now();
    const neighbours = new MarkedTenants(dataDir);
    const lost: string[] = [];
    let stored = 0n;
    let refused = 0;
    try {
      for (let round = 0; round <= rounds; round++) {
        const kiln = await startKiln({ dataDir, flags: [manyTenants], timeoutMs: 120_000 });
        const start = startedMs - 60_000;
        const asked = { profileTypeID: 'process_cpu:cpu:ns::', labelSelector: '{}', start, end: Date.now() + 60_000 };
        const total = async (): Promise<bigint> => {
          const { flamegraph } = await query(kiln.url, 'SelectMergeStacktraces', asked, {
            tenant: TENANT,
            json: true,
          });
          return BigInt((flamegraph as { total?: string }).total ?? 0);
        };
        await expect.poll(total, { timeout: 20_000 }).toBe(stored);
        await neighbours.push(kiln.url);
        if (round === rounds) {
          await neighbours.look(kiln);
          await kiln.stop();
          break;
        }
        let isOver = false;
        let pushed = 0;
        const clients = [http1Client(kiln.url), http1Client(kiln.url), http1Client(kiln.url), http2Client(kiln.url)];
        const loads = clients.map(async ({ push, close }) => {
          while (!isOver) {
            const outcome = await push(onePush());
            pushed++;
            if (outcome === 'stored') stored++;
            else if (outcome === 'refused') {
              refused++;
              await sleep(5);
            } else lost.push(`round ${round}: ${outcome}`);
          }
          close();
        });
        await sleep(200 + random() * 500);
        const began = performance.now();
        const code = await kiln.stop();
        const tookMs = performance.now() - began;
        isOver = true;
        await Promise.all(loads);
        // All of the disk is read, and it grows with every round.
        if (round % 10 === 0) {
          await neighbours.lookAround(kiln.output());
          process.stdout.write(`sigterm: ${round + 1} of ${rounds} rounds, ${stored} stored, ${refused} refused\n`);
        } else neighbours.listen(kiln.output());
        expect([code, pushed > 10, tookMs < 20_000]).toEqual([0, true, true]);
      }
      process.stdout.write(`sigterm: ${rounds} rounds, ${stored} stored, ${refused} refused\n`);
      expect(lost).toEqual([]);
      expect(refused).toBeGreaterThan(0);
    } finally {
      rmSync(dataDir, { recursive: true, force: true });
    }
  },
);

interface Client {
  push(body: Uint8Array): Promise<Outcome>;
  close(): void;
}

/** A client that keeps its connection, as every SDK does. */
function http1Client(url: string): Client {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  return {
    push: (body) =>
      new Promise((resolve) => {
        const headers = {
          'content-type': 'application/proto',
          'content-length': String(body.length),
          'x-scope-orgid': TENANT,
        };
        const sent = httpRequest(url + PUSH, { method: 'POST', agent, headers }, (response) => {
          text(response).then(
            (said) => resolve(outcomeOf(response.statusCode!, response.headers['retry-after'], said)),
            (error: Error) => resolve(`lost: ${error.message} in an answer`),
          );
        });
        sent.on('error', (error: NodeJS.ErrnoException) =>
          resolve(
            error.code === 'ECONNREFUSED'
              ? 'refused'
              : `lost: ${error.message}${sent.reusedSocket ? ', kept connection' : ''}`,
          ),
        );
        sent.end(body);
      }),
    close: () => agent.destroy(),
  };
}

/** A client of gRPC: one connection, GOAWAY means another one. */
function http2Client(url: string): Client {
  let session = connectHttp2(url).on('error', () => undefined);
  return {
    push: async (body) => {
      if (session.closed || session.destroyed) session = connectHttp2(url).on('error', () => undefined);
      const head = Buffer.alloc(5);
      head.writeUInt32BE(body.length, 1);
      const headers = {
        ':method': 'POST',
        ':path': PUSH,
        'content-type': 'application/grpc',
        te: 'trailers',
        'x-scope-orgid': TENANT,
      };
      try {
        const answer = await streamCall(session, headers, Buffer.concat([head, body]));
        const status = answer.trailers['grpc-status'] ?? answer.headers['grpc-status'];
        if (status === '0') return 'stored';
        return status === '14' ? 'refused' : `lost: gRPC ${status} ${answer.status}`;
      } catch (error) {
        const { code, message } = error as NodeJS.ErrnoException;
        // RFC 9113 §8.7: a stream above the last one of GOAWAY, or refused, was not processed.
        const isUntaken = code === 'ECONNREFUSED' || code === 'ERR_HTTP2_GOAWAY_SESSION';
        const isRefused =
          message.includes(String(constants.NGHTTP2_REFUSED_STREAM)) || message.includes('REFUSED_STREAM');
        return isUntaken || isRefused ? 'refused' : `lost: ${code} ${message} over HTTP/2`;
      }
    },
    close: () => session.destroy(),
  };
}

function outcomeOf(status: number, retryAfter: string | undefined, said: string): Outcome {
  if (status === 200) return 'stored';
  return status === 503 && retryAfter !== undefined ? 'refused' : `lost: ${status} ${said}`;
}

let made = 0n;

function onePush(): Uint8Array {
  const timeNanos = BigInt(Date.now()) * 1_000_000n + (++made % 999_999n) + 1n;
  const profile = tinyPprof({ type: 'cpu', unit: 'ns', timeNanos, stacks: [{ frames: ['leaf', 'main'], value: 1n }] });
  return pushRequest([{ labels: { __name__: 'process_cpu', service_name: `s${made % 8n}` }, profiles: [profile] }]);
}
