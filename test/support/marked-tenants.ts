import { tinyPprof } from '../process/tiny-pprof.ts';
import { connectPush, rawQuery } from './http-client.ts';
import { startKiln, type RunningKiln } from './kiln-process.ts';
import { findLeaks, type Marker } from './markers.ts';

/** The flag of a server with tenants: every request names its own. */
export const manyTenants = '--auth.multitenancy-enabled=true';

/** What a tenant can ask that names what it has sent: nothing in it is another tenant's. */
const questions = ({ word }: Marker): readonly (readonly [method: string, request: object])[] => {
  const select = { profileTypeID: `process_cpu:cpu${word}:ns::`, labelSelector: '{}' };
  return [
    ['ProfileTypes', {}],
    ['LabelNames', {}],
    ['LabelValues', { name: 'service_name' }],
    ['LabelValues', { name: '__profile_type__' }],
    ['Series', {}],
    ['SelectMergeStacktraces', select],
    ['SelectMergeProfile', select],
    ['SelectSeries', { ...select, step: 15, groupBy: ['service_name'] }],
  ];
};

/**
 * Two tenants that live on a server beside whatever a test does to it. Each has a word that only it ever sends: in names of functions, services,
 * labels and value types. The word of one may appear in no answer to the other, nowhere in what the process says and in no byte on disk that is not its own.
 */
export class MarkedTenants {
  readonly markers: readonly Marker[] = [
    { tenant: 'north', word: 'NORTHMARK' },
    { tenant: 'south', word: 'SOUTHMARK' },
  ];
  /** A test may take longer than any range from now. */
  readonly #sinceMs = Date.now();
  readonly #dataDir: string;
  #pushed = 0;

  /** @param dataDir of the server, or of the servers that follow each other on it. */
  constructor(dataDir: string) {
    this.#dataDir = dataDir;
  }

  /** Of a directory whose next server keeps no tenants apart, or takes no plain pushes: they have been there before it. */
  static async before(dataDir: string): Promise<MarkedTenants> {
    const tenants = new MarkedTenants(dataDir);
    const kiln = await startKiln({ dataDir, flags: [manyTenants], timeoutMs: 90_000 });
    await tenants.push(kiln.url);
    await tenants.look(kiln);
    await kiln.stop();
    return tenants;
  }

  /** Each pushes one profile of value 1, and is acknowledged. */
  async push(url: string): Promise<void> {
    const timeNanos = BigInt(Date.now()) * 1_000_000n + BigInt(++this.#pushed);
    for (const { tenant, word } of this.markers) {
      const frames = [`${word}_leaf${this.#pushed}`, `${word}_main`];
      const profile = tinyPprof({ type: `cpu${word}`, unit: 'ns', timeNanos, stacks: [{ frames, value: 1n }] });
      const labels = [
        ['__name__', 'process_cpu'],
        ['service_name', `svc${word}`],
        [`label${word}`, `value${word}`],
      ] as const;
      const { status, body } = await connectPush(url, [{ labels, samples: [{ profile }] }], { tenant });
      if (status !== 200)
        throw new Error(`a push of ${tenant} was answered ${status}: ${Buffer.from(body).toString()}`);
    }
  }

  /** Asks as each, and looks at all that a server has said and stored. @throws Error naming what of one is where it does not belong, or is missing. */
  async look(kiln: Pick<RunningKiln, 'url' | 'output'>): Promise<void> {
    const wrong: string[] = [];
    for (const marker of this.markers) wrong.push(...(await this.#ask(kiln.url, marker)));
    if (wrong.length > 0) throw new Error(wrong.join('\n'));
    const metrics = await (await fetch(`${kiln.url}/metrics`)).text();
    await this.lookAround(kiln.output() + metrics);
  }

  /** As `look`, but asks as somebody else: neither of them is in what he is told. */
  async lookAsOther(kiln: Pick<RunningKiln, 'url' | 'output'>): Promise<void> {
    const range = { start: String(this.#sinceMs - 600_000), end: String(Date.now() + 600_000) };
    let told = '';
    for (const [method, request] of questions({ tenant: '', word: '' })) {
      const { status, body } = await rawQuery(kiln.url, method, { ...range, ...request }, { json: true });
      if (status !== 200) throw new Error(`${method} without a tenant was answered ${status}`);
      told += Buffer.from(body).toString();
    }
    await this.lookAround(told + kiln.output());
  }

  /** As `look`, of a server that is gone: what it said, and what it left on disk. */
  async lookAround(said: string): Promise<void> {
    this.listen(said);
    const wrong = await findLeaks(this.#dataDir, this.markers);
    if (wrong.length > 0) throw new Error(wrong.join('\n'));
  }

  /** The part of `lookAround` that does not grow with what is stored. @throws Error naming what of one a process said. */
  listen(said: string): void {
    const told = this.markers.filter(({ word }) => said.includes(word)).map(({ word }) => `the process said "${word}"`);
    if (told.length > 0) throw new Error(told.join('\n'));
  }

  async #ask(url: string, marker: Marker): Promise<string[]> {
    const { tenant, word } = marker;
    const foreign = this.markers.filter((other) => other !== marker).map((other) => other.word);
    const range = { start: String(this.#sinceMs - 600_000), end: String(Date.now() + 600_000) };
    const wrong: string[] = [];
    for (const [method, request] of questions(marker)) {
      const { body } = await rawQuery(url, method, { ...range, ...request }, { tenant, json: true });
      const said = Buffer.from(body).toString();
      const wanted = method === 'SelectMergeStacktraces' ? `"total":"${this.#pushed}"` : word;
      if (!said.includes(wanted)) wrong.push(`${method} of ${tenant} lacks ${wanted}: ${said}`);
      for (const other of foreign)
        if (said.includes(other)) wrong.push(`${method} of ${tenant} names ${other}: ${said}`);
    }
    return wrong;
  }
}
