import {
  decodeFlameGraph,
  decodeTree,
  stacksOfAnswer,
  treeStacks,
  type Oracle,
  type OracleRange,
} from '../oracle/index.ts';

/** A call of QuerierService by JSON or protobuf; the answer in the shape of protobuf JSON. @throws Error when it is an error */
export type Ask = (method: string, request: Readonly<Json>, json: boolean) => Promise<Json>;

/** Asks a server and the oracle the same things. */
export interface Comparison {
  readonly ask: Ask;
  readonly tenant: string;
  readonly oracle: Oracle;
  readonly range: OracleRange;
}

type Json = Record<string, unknown>;

/** Answers of the oracle, kept: they are asked again after each cut and restart. */
export class OracleMemo {
  readonly #known = new Map<string, unknown>();

  of<T>(key: string, make: () => T): T {
    if (!this.#known.has(key)) this.#known.set(key, make());
    return this.#known.get(key) as T;
  }
}

/** How much is asked: by which codecs (JSON: true), and whether also for tree, pprof of SelectMergeStacktraces, and truncation. */
export interface Thoroughness {
  readonly codecs: readonly boolean[];
  readonly full: boolean;
}

/** The answers about one profile type of one service. @returns sentences, none when all agree */
export async function compareType(
  { ask, tenant, oracle, range }: Comparison,
  memo: OracleMemo,
  service: string,
  profileTypeId: string,
  { codecs, full }: Thoroughness,
): Promise<string[]> {
  const wrong: string[] = [];
  const selector = `{service_name="${service}"}`;
  const asked = { ...range, profileTypeId, selector };
  const request = { profileTypeID: profileTypeId, labelSelector: selector, start: range.startMs, end: range.endMs };
  const key = `${service} ${profileTypeId}`;
  const check = async (what: string, work: () => Promise<string | undefined>): Promise<void> => {
    const found = await work().catch((error: unknown) => String(error));
    if (found !== undefined) wrong.push(`${key}, ${what}: ${found}`);
  };
  for (const json of codecs) {
    const codec = json ? 'JSON' : 'protobuf';
    for (const maxNodes of full ? [undefined, 16] : [undefined]) {
      await check(`flame graph ${maxNodes ?? ''} by ${codec}`, async () => {
        const want = memo.of(`graph ${maxNodes} ${key}`, () =>
          oracle.flameGraph(tenant, { ...asked, ...(maxNodes === undefined ? {} : { maxNodes }) }),
        );
        const answer = await ask(
          'SelectMergeStacktraces',
          { ...request, ...(maxNodes === undefined ? {} : { maxNodes }) },
          json,
        );
        const graph = answer['flamegraph'] as {
          names?: string[];
          levels?: { values?: string[] }[];
          total?: string;
          maxSelf?: string;
        };
        const levels = (graph.levels ?? []).map(({ values = [] }) => values.map(BigInt));
        if (BigInt(graph.total ?? 0) !== want.total) return `total ${graph.total}, the oracle has ${want.total}`;
        if (BigInt(graph.maxSelf ?? 0) !== want.maxSelf)
          return `maxSelf ${graph.maxSelf}, the oracle has ${want.maxSelf}`;
        return (
          mapsDiffer(decodeFlameGraph({ names: graph.names ?? [], levels }), decodeFlameGraph(want)) ??
          jsonDiffers(
            { names: graph.names, levels: levels.map(String) },
            { names: want.names, levels: want.levels.map(String) },
          )
        );
      });
    }
    await check(`merged profile by ${codec}`, async () => {
      const answer = await ask('SelectMergeProfile', request, json);
      return stacksDiffer(
        answer['profile'] as Uint8Array,
        memo.of(`pprof ${key}`, () => oracle.pprof(tenant, asked)),
      );
    });
    await check(`series by ${codec}`, async () => {
      const groupBy = ['form', 'service_name', 'absent'];
      const want = memo.of(`series ${key}`, () => oracle.selectSeries(tenant, { ...asked, groupBy, stepSeconds: 600 }));
      const answer = await ask('SelectSeries', { ...request, groupBy, step: 600 }, json);
      return jsonDiffers(seriesOf(answer), want);
    });
    if (!full) continue;
    for (const maxNodes of [undefined, 16]) {
      await check(`tree ${maxNodes ?? ''} by ${codec}`, async () => {
        const want = memo.of(`tree ${maxNodes} ${key}`, () =>
          oracle.tree(tenant, { ...asked, ...(maxNodes === undefined ? {} : { maxNodes }) }),
        );
        const asTree = {
          ...request,
          format: json ? 'PROFILE_FORMAT_TREE' : 2,
          ...(maxNodes === undefined ? {} : { maxNodes }),
        };
        const bytes = ((await ask('SelectMergeStacktraces', asTree, json))['tree'] ?? new Uint8Array(0)) as Uint8Array;
        const stacks = mapsDiffer(treeStacks(decodeTree(bytes)), treeStacks(want.roots));
        return stacks ?? (Buffer.compare(bytes, want.bytes) === 0 ? undefined : 'the same tree in other bytes');
      });
    }
    await check(`pprof by ${codec}`, async () => {
      const asPprof = { ...request, format: json ? 'PROFILE_FORMAT_PPROF' : 4 };
      const answer = (await ask('SelectMergeStacktraces', asPprof, json))['pprof'] as
        | { profile?: Uint8Array }
        | undefined;
      return stacksDiffer(
        answer?.profile ?? new Uint8Array(0),
        memo.of(`pprof ${key}`, () => oracle.pprof(tenant, asked)),
      );
    });
  }
  return wrong;
}

const labelsAsked = [
  'service_name',
  '__profile_type__',
  '__type__',
  '__unit__',
  '__period_type__',
  'form',
  'pyroscope_spy',
  'thread_id',
  'nowhere',
];

/** ProfileTypes, LabelNames, LabelValues and Series of a whole tenant. */
export async function compareDiscovery(
  { ask, tenant, oracle, range }: Comparison,
  { codecs = [true, false], labels = labelsAsked }: { codecs?: readonly boolean[]; labels?: readonly string[] } = {},
): Promise<string[]> {
  const wrong: string[] = [];
  const times = { start: range.startMs, end: range.endMs };
  for (const json of codecs) {
    const asked = (method: string, request: Json): Promise<Json> => ask(method, { ...times, ...request }, json);
    const check = async (what: string, want: unknown, work: () => Promise<unknown>): Promise<void> => {
      const found = await work().then((got) => jsonDiffers(got, want), String);
      if (found !== undefined) wrong.push(`${what} by ${json ? 'JSON' : 'protobuf'}: ${found}`);
    };
    await check('ProfileTypes', oracle.profileTypes(tenant, range), async () =>
      (((await asked('ProfileTypes', {}))['profileTypes'] ?? []) as { ID: string }[]).map(({ ID }) => ID),
    );
    await check(
      'LabelNames',
      oracle.labelNames(tenant, range),
      async () => (await asked('LabelNames', {}))['names'] ?? [],
    );
    for (const name of labels) {
      await check(
        `LabelValues of ${name}`,
        oracle.labelValues(tenant, range, name),
        async () => (await asked('LabelValues', { name }))['names'] ?? [],
      );
    }
    const matchers = ['{form=~"push.*"}'];
    await check(
      'LabelValues with a matcher',
      oracle.labelValues(tenant, range, 'service_name', { matchers }),
      async () => (await asked('LabelValues', { name: 'service_name', matchers }))['names'] ?? [],
    );
    for (const labelNames of [[], ['service_name', '__profile_type__'], ['form']]) {
      await check(`Series of ${labelNames.join()}`, oracle.series(tenant, range, { labelNames }), async () =>
        setsOf(await asked('Series', { labelNames })),
      );
    }
  }
  return wrong;
}

interface PairsJson {
  readonly labels?: readonly { name?: string; value?: string }[];
}

const pairsOf = ({ labels = [] }: PairsJson): [string, string][] =>
  labels.map(({ name = '', value = '' }) => [name, value]);

function setsOf(answer: Json): [string, string][][] {
  const sets = ((answer['labelsSet'] ?? []) as PairsJson[]).map((set) =>
    pairsOf(set).toSorted(([a], [b]) => Buffer.compare(Buffer.from(a), Buffer.from(b))),
  );
  return sets.toSorted((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1));
}

function seriesOf(answer: Json): unknown {
  return ((answer['series'] ?? []) as (PairsJson & { points?: { value?: number; timestamp?: string }[] })[]).map(
    (series) => ({
      labels: pairsOf(series),
      points: (series.points ?? []).map(({ value = 0, timestamp = '0' }) => ({ timestamp: Number(timestamp), value })),
    }),
  );
}

function stacksDiffer(bytes: Uint8Array, want: ReturnType<Oracle['pprof']>): string | undefined {
  const { stacks, labelled } = stacksOfAnswer(bytes);
  if (labelled > 0) return `${labelled} samples of the answer have labels`;
  const text = (list: typeof want): Map<string, bigint> =>
    new Map(list.map(({ frames, value }) => [frames.join('\n'), value]));
  return mapsDiffer(text(stacks), text(want));
}

function mapsDiffer(got: ReadonlyMap<string, bigint>, want: ReadonlyMap<string, bigint>): string | undefined {
  for (const [key, value] of want)
    if (got.get(key) !== value) return `${short(key)} is ${got.get(key) ?? 'missing'}, the oracle has ${value}`;
  for (const [key, value] of got) if (!want.has(key)) return `${short(key)} is ${value}, the oracle has nothing`;
  return undefined;
}

function jsonDiffers(got: unknown, want: unknown): string | undefined {
  const [a, b] = [JSON.stringify(got), JSON.stringify(want)];
  if (a === b) return undefined;
  let at = 0;
  while (a[at] === b[at]) at++;
  return `…${a.slice(Math.max(0, at - 60), at + 120)}, the oracle has …${b.slice(Math.max(0, at - 60), at + 120)}`;
}

const short = (text: string): string => (text.length > 300 ? `${text.slice(0, 300)}…` : text);
