import { Agent, request as httpRequest } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { PbWriter } from '../support/pb-writer.ts';

/** What a load is made of: as many pushes a second as are told, of one profile each, whether they are answered or not. */
export interface LoadPlan {
  /** Of the server. */
  readonly url: string;
  /** `services`: one profile of each of so many services, in turn. `stacks`: one service, whose profiles have stacks of so many, in turn. */
  readonly shape: 'services' | 'stacks';
  readonly count: number;
  /** Samples of one profile, each worth 1. */
  readonly samples: number;
  readonly pushesPerSecond: number;
}

/** How pushes were answered: written to stdout after a SIGTERM, when all are. */
export interface LoadOutcome {
  readonly sent: number;
  readonly acknowledged: number;
  /** By status; 0 when there was no answer. */
  readonly refused: Readonly<Record<string, number>>;
  /** Refusals that did not say when to come again. */
  readonly withoutRetryAfter: number;
  /** Sentences of refusals, numbers left out. */
  readonly sentences: readonly string[];
  /** Sum of all values that were acknowledged. */
  readonly sum: number;
  /** Not sent at their time, because too many were on their way. */
  readonly skipped: number;
}

/** Pushes on their way at once: more than any client library keeps. */
const MAX_UNDER_WAY = 256;

/** Frames of a level: a stack is a number in base 100, a digit per frame. */
const FRAMES = 100;
const LEVELS = 4;

const plan = JSON.parse(process.argv[2] ?? '{}') as LoadPlan;
const agent = new Agent({ keepAlive: true, maxSockets: MAX_UNDER_WAY });
const { symbols, template } = prepare();
const refused: Record<string, number> = {};
const sentences = new Set<string>();
let [sent, acknowledged, withoutRetryAfter, skipped, underWay] = [0, 0, 0, 0, 0];

let stopped = false;
process.once('SIGTERM', () => (stopped = true));
const beganMs = performance.now();
for (let due = 0; !stopped;) {
  const until = ((performance.now() - beganMs) / 1_000) * plan.pushesPerSecond;
  for (; due < until; due++) {
    if (underWay >= MAX_UNDER_WAY) skipped++;
    else push(sent++);
  }
  await sleep(2);
}
while (underWay > 0) await sleep(10);
agent.destroy();
const outcome: LoadOutcome = {
  sent,
  acknowledged,
  refused,
  withoutRetryAfter,
  sentences: [...sentences],
  sum: acknowledged * plan.samples,
  skipped,
};
process.stdout.write(JSON.stringify(outcome));

function push(n: number): void {
  const body = bodyOf(n);
  const headers = { 'content-type': 'application/proto', 'content-length': body.length };
  underWay++;
  const url = `${plan.url}/push.v1.PusherService/Push`;
  const sending = httpRequest(url, { agent, method: 'POST', headers }, (response) => {
    let said = '';
    response.setEncoding('utf8').on('data', (part: string) => (said += part));
    response.on('end', () => ended(response.statusCode ?? 0, said, response.headers['retry-after']));
  });
  sending.on('error', (error) => ended(0, error.message, undefined));
  sending.end(body);
}

function ended(status: number, said: string, retryAfter: string | undefined): void {
  underWay--;
  if (status === 200) {
    acknowledged++;
    return;
  }
  refused[status] = (refused[status] ?? 0) + 1;
  if (retryAfter === undefined) withoutRetryAfter++;
  sentences.add(said.replaceAll(/\d+/g, 'N'));
}

/** push.v1.PushRequest of one profile. */
function bodyOf(n: number): Uint8Array {
  const first = plan.shape === 'stacks' ? (n * plan.samples) % plan.count : 0;
  // The last field of a name counts: the time makes each profile another one.
  const time = new PbWriter().number(9, BigInt(Date.now()) * 1_000_000n + BigInt(n % 1_000_000)).finish();
  const samples = plan.shape === 'stacks' ? samplesFrom(first) : template;
  const profile = Buffer.concat([samples, symbols, time]);
  const service = plan.shape === 'services' ? `service-${n % plan.count}` : 'wide';
  return new PbWriter()
    .message(1, (series) => {
      label(series, '__name__', 'process_cpu');
      label(series, 'namespace', 'load');
      label(series, 'pod', `${service}-0`);
      label(series, 'service_name', service);
      series.message(2, (sample) => sample.bytes(1, profile));
    })
    .finish();
}

function label(series: PbWriter, name: string, value: string): void {
  series.message(1, (pair) => pair.text(1, name).text(2, value));
}

/** What all profiles share: value types, functions, names. */
function prepare(): { symbols: Uint8Array; template: Uint8Array } {
  const out = new PbWriter();
  out.message(1, (type) => type.number(1, 1).number(2, 2));
  for (let id = 1; id <= FRAMES * LEVELS; id++) {
    out.message(4, (location) => location.number(1, id).message(4, (line) => line.number(1, id).number(2, id)));
    out.message(5, (fn) =>
      fn
        .number(1, id)
        .number(2, id + 3)
        .number(4, 3),
    );
  }
  for (const text of ['', 'cpu', 'nanoseconds', '/src/internal/load/load.go']) out.bytes(6, Buffer.from(text));
  for (let id = 0; id < FRAMES * LEVELS; id++)
    out.text(6, `example.com/load/internal/level${Math.floor(id / FRAMES)}.(*Worker).Method${id % FRAMES}`);
  return { symbols: out.finish(), template: samplesFrom(0) };
}

/** Samples of the stacks with numbers from `first` on: neighbours share all frames but the leaf. */
function samplesFrom(first: number): Uint8Array {
  const bytes = Buffer.alloc(plan.samples * 32);
  let at = 0;
  for (let i = 0; i < plan.samples; i++) {
    const start = at + 4;
    let end = start;
    for (let level = LEVELS - 1, rest = first + i; level >= 0; level--, rest = Math.floor(rest / FRAMES)) {
      const id = level * FRAMES + (rest % FRAMES) + 1;
      if (id >= 128) bytes[end++] = (id & 127) | 128;
      bytes[end++] = id >= 128 ? id >> 7 : id;
    }
    bytes[at] = (2 << 3) | 2;
    bytes[at + 1] = end - start + 2 + 3;
    bytes[at + 2] = (1 << 3) | 2;
    bytes[at + 3] = end - start;
    bytes[end] = (2 << 3) | 2;
    bytes[end + 1] = 1;
    bytes[end + 2] = 1;
    at = end + 3;
  }
  return bytes.subarray(0, at);
}
