import { decodeFlameGraph, type OracleQuery, type OracleValue } from '../oracle/index.ts';
import type { Comparison } from './compare-answers.ts';

type Json = Record<string, unknown>;
interface Exemplar {
  readonly timestamp?: string;
  readonly profileId?: string;
  readonly spanId?: string;
  readonly traceId?: string;
  readonly value?: string;
}
/** A flame graph in protobuf JSON. */
export interface Graph {
  readonly names?: string[];
  readonly levels?: { readonly values?: string[] }[];
}

const ALL_NODES = 1_048_576;
const IDS = 3;
const STEP_SECONDS = 600;

/**
 * What chooses samples, and what shows single values: spans, traces, profile ids, call sites, averages, exemplars, heatmaps, differences; of one profile type
 * of one service. @returns sentences, none when all agree
 */
export async function compareMethods(
  { ask, tenant, oracle, range }: Comparison,
  service: string,
  profileTypeId: string,
): Promise<string[]> {
  const wrong: string[] = [];
  const selector = `{service_name="${service}"}`;
  const asked = { ...range, profileTypeId, selector };
  const request = { profileTypeID: profileTypeId, labelSelector: selector, start: range.startMs, end: range.endMs };
  const call = (method: string, more: Json): Promise<Json> => ask(method, { ...request, ...more }, true);
  const check = async (what: string, work: () => Promise<string | undefined>): Promise<void> => {
    const found = await work().catch((error: unknown) => String(error));
    if (found !== undefined) wrong.push(`${service} ${profileTypeId}, ${what}: ${found}`);
  };
  const graphOf = (answer: Json): Map<string, bigint> => stacksOf(answer['flamegraph'] as Graph);
  const wanted = (chosen: Partial<OracleQuery>): Map<string, bigint> =>
    decodeFlameGraph(oracle.flameGraph(tenant, { ...asked, ...chosen, maxNodes: ALL_NODES }));

  const { spans, traces } = oracle.ids(tenant, asked);
  for (const id of [...spans.slice(0, IDS), '00000000000000ff']) {
    await check(`span ${id}`, async () => {
      const answer = await call('SelectMergeSpanProfile', { spanSelector: [id], maxNodes: ALL_NODES });
      return differ(graphOf(answer), wanted({ spanIds: [id] }));
    });
  }
  for (const id of traces.slice(0, IDS)) {
    await check(`trace ${id}`, async () => {
      const answer = await call('SelectMergeStacktraces', { traceIdSelector: [id], maxNodes: ALL_NODES });
      return differ(graphOf(answer), wanted({ traceIds: [id] }));
    });
  }
  const whole = wanted({});
  const callSite = [[...whole.keys()][0]!.split(/(?<!\\);/)[0]!.replaceAll(/\\(.)/g, '$1')];
  const stackTraceSelector = { callSite: callSite.map((name) => ({ name })) };
  await check(`call site ${callSite.join()}`, async () => {
    const answer = await call('SelectMergeStacktraces', { stackTraceSelector, maxNodes: ALL_NODES });
    return differ(graphOf(answer), wanted({ callSite }));
  });
  await check('a diff', async () => {
    const left = { ...request, maxNodes: ALL_NODES };
    const right = { ...left, stackTraceSelector };
    const [l, r] = oracle.diff(tenant, asked, { ...asked, callSite });
    const sum = [...l.values(), ...r.values()].reduce((all, value) => all + value, 0n);
    const answer = await ask('Diff', { left, right }, true).catch((error: unknown) => {
      if (sum < 2n ** 63n || !String(error).includes(`${sum}`)) throw error;
      return undefined;
    });
    if (answer === undefined) return undefined; // the sum of both sides, which it has to tell, is above int64
    const found = sidesOf(answer['flamegraph'] as Graph);
    return differ(found[0], l) ?? differ(found[1], r);
  });

  const series = { groupBy: ['form'], step: STEP_SECONDS };
  const steps = { ...asked, groupBy: ['form'], stepSeconds: STEP_SECONDS };
  for (const chosen of [{ average: true }, { callSite }]) {
    await check(`series, ${JSON.stringify(chosen)}`, async () => {
      const answer = await call('SelectSeries', {
        ...series,
        ...('average' in chosen ? { aggregation: 'TIME_SERIES_AGGREGATION_TYPE_AVERAGE' } : { stackTraceSelector }),
      });
      const points = pointsOf(answer).map(({ key, timestamp, value }) => [`${key} ${timestamp}`, value] as const);
      const want = oracle
        .selectSeries(tenant, { ...steps, ...chosen })
        .flatMap(({ labels, points: own }) =>
          own.map((one) => [`${keyOf(labels)} ${one.timestamp}`, one.value] as const),
        );
      return JSON.stringify(points) === JSON.stringify(want)
        ? undefined
        : `${JSON.stringify(points)}, the oracle has ${JSON.stringify(want)}`.slice(0, 400);
    });
  }
  for (const [of, exemplarType, queryType] of [
    ['profiles', 'EXEMPLAR_TYPE_INDIVIDUAL', 'HEATMAP_QUERY_TYPE_INDIVIDUAL'],
    ['spans', 'EXEMPLAR_TYPE_SPAN', 'HEATMAP_QUERY_TYPE_SPAN'],
  ] as const) {
    const values = oracle.values(tenant, steps, of);
    await check(`exemplars of ${of}`, async () => {
      for (const point of pointsOf(await call('SelectSeries', { ...series, exemplarType }))) {
        const here = values.filter((one) => keyOf(one.group) === point.key && edgeOf(one, range) === point.timestamp);
        const largest = here.reduce((most, { value }) => (value > most ? value : most), 0n);
        const found = BigInt(point.exemplars[0]?.value ?? 0);
        if (found !== largest || point.exemplars.length !== Math.min(1, here.length))
          return `${point.key} ${point.timestamp} has ${found}, the oracle ${largest} of ${here.length}`;
        const trouble = here.length === 0 ? undefined : await follow(point.exemplars[0]!, point.key);
        if (trouble !== undefined) return trouble;
      }
      return undefined;
    });
    await check(`heatmap of ${of}`, async () => {
      const answer = await call('SelectHeatmap', { ...series, queryType, exemplarType });
      return differ(cellsOf(answer), wantedCells(values, range));
    });
  }

  /** The id of an exemplar selects that very value. */
  async function follow({ profileId, spanId, traceId, value }: Exemplar, group: string): Promise<string | undefined> {
    const [, form] = /^form=(.*)$/.exec(group) ?? [];
    const own = { labelSelector: `{service_name="${service}",form="${form ?? ''}"}`, maxNodes: ALL_NODES };
    if (profileId === undefined) {
      const known = oracle.ids(tenant, asked);
      return known.spans.includes(spanId!) && (traceId === undefined || known.traces.includes(traceId))
        ? undefined
        : `span ${spanId} of trace ${traceId} was not sent`;
    }
    const answer = await call('SelectSeries', { ...own, step: 1e9, start: range.startMs, end: range.endMs });
    const picked = await call('SelectMergeProfile', { ...own, maxNodes: 0, profileIdSelector: [profileId] });
    const profile = picked['profile'] as Uint8Array | undefined;
    if (pointsOf(answer).length > 1 || profile === undefined) return `profile ${profileId} selects nothing`;
    const tree = await call('SelectMergeStacktraces', { ...own, profileIdSelector: [profileId] });
    const total = BigInt((tree['flamegraph'] as { total?: string }).total ?? 0);
    // Stacks of no frames are in a profile's value, not in its graph.
    return total <= BigInt(value ?? 0) && total > 0n
      ? undefined
      : `profile ${profileId} has ${total}, as exemplar ${value}`;
  }

  return wrong;
}

function stacksOf({ names = [], levels = [] }: Graph): Map<string, bigint> {
  return decodeFlameGraph({ names, levels: levels.map(({ values = [] }) => values.map(BigInt)) });
}

/** Each side of a diff as stacks. */
export function sidesOf({ names = [], levels = [] }: Graph): [Map<string, bigint>, Map<string, bigint>] {
  const side = (first: number): Map<string, bigint> => {
    const own = levels.map(({ values = [] }) => {
      const numbers = values.map(BigInt);
      return numbers.flatMap((_, i) =>
        i % 7 === 0 ? [numbers[i + first]!, numbers[i + first + 1]!, numbers[i + first + 2]!, numbers[i + 6]!] : [],
      );
    });
    return decodeWide(names, own);
  };
  return [side(0), side(3)];
}

/** As `decodeFlameGraph`, without the boxes that are empty on this side. */
function decodeWide(names: readonly string[], levels: readonly (readonly bigint[])[]): Map<string, bigint> {
  const full = levels.map((values) => {
    let skipped = 0n;
    return values.flatMap((_, i) => {
      if (i % 4 !== 0) return [];
      const [delta, total, self, name] = values.slice(i, i + 4) as [bigint, bigint, bigint, bigint];
      skipped += delta;
      if (total === 0n) return [];
      const moved = skipped;
      skipped = 0n;
      return [moved, total, self, name];
    });
  });
  return decodeFlameGraph({ names, levels: full.filter((values) => values.length > 0) });
}

function differ(got: ReadonlyMap<string, bigint>, want: ReadonlyMap<string, bigint>): string | undefined {
  for (const [key, value] of want)
    if (got.get(key) !== value) return `${key.slice(0, 200)} is ${got.get(key) ?? 'missing'}, the oracle has ${value}`;
  for (const [key, value] of got) if (!want.has(key)) return `${key.slice(0, 200)} is ${value}, the oracle has nothing`;
  return undefined;
}

const keyOf = (labels: readonly (readonly [string, string])[]): string =>
  labels.map(([name, value]) => `${name}=${value}`).join();

function pointsOf(answer: Json): { key: string; timestamp: number; value: number; exemplars: readonly Exemplar[] }[] {
  const series = (answer['series'] ?? []) as {
    labels?: { name?: string; value?: string }[];
    points?: { value?: number; timestamp?: string; exemplars?: Exemplar[] }[];
  }[];
  return series.flatMap(({ labels = [], points = [] }) =>
    points.map(({ value = 0, timestamp = '0', exemplars = [] }) => ({
      key: keyOf(labels.map((label) => [label.name ?? '', label.value ?? ''])),
      timestamp: Number(timestamp),
      value,
      exemplars,
    })),
  );
}

function edgeOf({ timeMs }: OracleValue, { startMs }: { startMs: number }, stepMs = STEP_SECONDS * 1000): number {
  return startMs + Math.max(0, Math.ceil((timeMs - startMs) / stepMs)) * stepMs;
}

/** Values by series, time and cell. */
function cellsOf(answer: Json): Map<string, bigint> {
  const series = (answer['series'] ?? []) as {
    labels?: { name?: string; value?: string }[];
    slots?: { timestamp?: string; counts?: number[]; yMin?: number[] }[];
  }[];
  const cells = new Map<string, bigint>();
  for (const { labels = [], slots = [] } of series) {
    const key = keyOf(labels.map((label) => [label.name ?? '', label.value ?? '']));
    for (const { timestamp, counts = [], yMin = [] } of slots)
      for (const [cell, count] of counts.entries()) {
        // Lower bounds are whole: cells of a narrow range may share one.
        const at = `${key} ${timestamp} from ${yMin[cell]}`;
        if (count > 0) cells.set(at, (cells.get(at) ?? 0n) + BigInt(count));
      }
  }
  return cells;
}

/** Values by series, time and cell, counted one by one. */
export function wantedCells(
  values: readonly OracleValue[],
  range: { startMs: number },
  stepMs = STEP_SECONDS * 1000,
): Map<string, bigint> {
  const all = values.map(({ value }) => value);
  const min = all.reduce((least, value) => (value < least ? value : least), all[0] ?? 0n);
  const width = all.reduce((most, value) => (value > most ? value : most), 0n) - min || 1n;
  const cells = new Map<string, bigint>();
  for (const one of values) {
    const cell = ((one.value - min) * 20n) / width;
    const from = Number(min + ((cell > 19n ? 19n : cell) * width) / 20n);
    const key = `${keyOf(one.group)} ${edgeOf(one, range, stepMs)} from ${from}`;
    cells.set(key, (cells.get(key) ?? 0n) + 1n);
  }
  return cells;
}
