import type { FlameDiffData, FlameData, FunctionRow } from '../flame/props.ts';
import type { TimeRange } from '../app/time-range.ts';
import type { Answer, Client } from './client.ts';
import { compareKinds, unitOf } from './kinds.ts';

/* What the page asks. Whole numbers come as text in Connect's JSON; they become numbers here. */

const QUERIER = 'querier.v1.QuerierService';

interface Label {
  readonly name: string;
  readonly value: string;
}

/** A service, and the kinds of profiles it has. */
export interface ServiceKinds {
  readonly service: string;
  readonly kinds: readonly string[];
}

/** Values over time: a point at T is of (T - step, T]. */
export interface TimeSeries {
  /** Of the label grouped by; '' where there is none. */
  readonly group: string;
  readonly timesMs: readonly number[];
  readonly values: readonly number[];
}

/** Profiles of one kind. */
export interface Selection {
  readonly kind: string;
  readonly selector: string;
  readonly range: TimeRange;
}

/** A flame graph with its table. */
export interface FlameAnswer {
  readonly graph: FlameData;
  readonly rows: readonly FunctionRow[];
  readonly functionCount: number;
  readonly total: number;
  /** The total for people, from digits that a number may not hold. */
  readonly text: string;
  readonly unit: string;
  readonly aggregation: 'sum' | 'average';
}

/** Pushes that were refused for one cause. */
export interface Rejection {
  /** Of the last of them, Unix milliseconds. */
  readonly last: number;
  /** How many. */
  readonly times: number;
  readonly code: string;
  readonly reason: string;
  /** What was found, what is allowed, which setting changes it. */
  readonly message: string;
  /** '' where it was refused before that was known. */
  readonly service: string;
}

const rangeFields = ({ fromMs, untilMs }: TimeRange): { start: number; end: number } => ({
  start: fromMs,
  end: untilMs,
});

function mapAnswer<T, U>(answer: Answer<T>, convert: (value: T) => U): Answer<U> {
  return answer.ok ? { ...answer, value: convert(answer.value) } : answer;
}

interface SeriesReply {
  readonly labelsSet?: readonly { readonly labels?: readonly Label[] }[];
}

/** The services of a range, by name, each with its kinds. */
export async function askServices(
  client: Client,
  range: TimeRange,
  signal: AbortSignal,
): Promise<Answer<ServiceKinds[]>> {
  const message = { ...rangeFields(range), labelNames: ['service_name', '__profile_type__'] };
  return mapAnswer(await client.call<SeriesReply>(`${QUERIER}/Series`, message, signal), ({ labelsSet = [] }) => {
    const kinds = new Map<string, string[]>();
    for (const { labels = [] } of labelsSet) {
      const of = (name: string): string => labels.find((label) => label.name === name)?.value ?? '';
      const service = of('service_name');
      const known = kinds.get(service);
      if (known === undefined) kinds.set(service, [of('__profile_type__')]);
      else known.push(of('__profile_type__'));
    }
    return [...kinds].map(([service, found]) => ({ service, kinds: found.toSorted(compareKinds) })).toSorted(byService);
  });
}

/** The kinds of the profiles that a selector matches in a range, those that most services send first. */
export async function askKinds(
  client: Client,
  selector: string,
  range: TimeRange,
  signal: AbortSignal,
): Promise<Answer<string[]>> {
  const message = { ...rangeFields(range), labelNames: ['service_name', '__profile_type__'], matchers: [selector] };
  return mapAnswer(await client.call<SeriesReply>(`${QUERIER}/Series`, message, signal), ({ labelsSet = [] }) => {
    const services = new Map<string, number>();
    for (const { labels = [] } of labelsSet)
      for (const { name, value } of labels)
        if (name === '__profile_type__') services.set(value, (services.get(value) ?? 0) + 1);
    return [...services.keys()].toSorted((a, b) => services.get(b)! - services.get(a)! || compareKinds(a, b));
  });
}

/** The names of labels, of the profiles that a selector matches; those that the server adds itself are left out. */
export async function askLabelNames(
  client: Client,
  selector: string,
  range: TimeRange,
  signal: AbortSignal,
): Promise<Answer<string[]>> {
  const message = { ...rangeFields(range), matchers: [selector] };
  const answer = await client.call<{ names?: string[] }>(`${QUERIER}/LabelNames`, message, signal);
  return mapAnswer(answer, ({ names = [] }) => names.filter((name) => !/^__.*__$/.test(name)));
}

/** The values of a label, of the profiles that a selector matches. */
export async function askLabelValues(
  client: Client,
  name: string,
  selector: string,
  range: TimeRange,
  signal: AbortSignal,
): Promise<Answer<string[]>> {
  const message = { ...rangeFields(range), name, matchers: [selector] };
  const answer = await client.call<{ names?: string[] }>(`${QUERIER}/LabelValues`, message, signal);
  return mapAnswer(answer, ({ names = [] }) => names);
}

interface SelectSeriesReply {
  readonly series?: readonly {
    readonly labels?: readonly Label[];
    readonly points?: readonly { readonly value?: number | string; readonly timestamp?: number | string }[];
  }[];
}

/** Sums, or means over profiles, by step of time: those at multiples of the step, which hold the whole range. */
export async function askTimeSeries(
  client: Client,
  { kind, selector, range }: Selection,
  ask: { readonly stepMs: number; readonly groupBy: string; readonly aggregation: 'sum' | 'average' },
  signal: AbortSignal,
): Promise<Answer<TimeSeries[]>> {
  const message = {
    profileTypeID: kind,
    labelSelector: selector,
    start: Math.ceil(range.fromMs / ask.stepMs) * ask.stepMs,
    end: Math.ceil(range.untilMs / ask.stepMs) * ask.stepMs,
    step: ask.stepMs / 1000,
    groupBy: ask.groupBy === '' ? [] : [ask.groupBy],
    aggregation: ask.aggregation === 'average' ? 'TIME_SERIES_AGGREGATION_TYPE_AVERAGE' : undefined,
  };
  const answer = await client.call<SelectSeriesReply>(`${QUERIER}/SelectSeries`, message, signal);
  return mapAnswer(answer, ({ series = [] }) =>
    series.map(({ labels = [], points = [] }) => ({
      group: labels[0]?.value ?? '',
      timesMs: points.map((point) => Number(point.timestamp ?? 0)),
      values: points.map((point) => Number(point.value ?? 0)),
    })),
  );
}

interface FlamegraphReply {
  readonly aggregation: 'sum' | 'average';
  readonly unit: string;
  readonly total: number;
  readonly text: string;
  readonly functionCount: number;
  readonly functions: readonly {
    readonly name: string;
    readonly flat: { readonly value: number; readonly text: string };
    readonly cum: { readonly value: number; readonly text: string };
  }[];
  readonly flamegraph?: { readonly names: readonly string[]; readonly levels: readonly (readonly number[])[] };
}

/** Parameters of the routes by GET for a selection. */
export function selectionParams({ kind, selector, range }: Selection): Record<string, string> {
  return { query: `${kind}${selector}`, from: String(range.fromMs), until: String(range.untilMs) };
}

/**
 * The merged profile as a flame graph with its table (docs/api.md).
 * @param ask `functions`: rows of the table, 0 = all; `through`: only the stacks that a function of this name is in.
 */
export async function askFlame(
  client: Client,
  selection: Selection,
  ask: {
    readonly aggregation: '' | 'sum' | 'average';
    readonly functions: number;
    /** Of the stacks alone that this function is in. */
    readonly through?: string;
  },
  signal: AbortSignal,
): Promise<Answer<FlameAnswer>> {
  const params = {
    ...selectionParams(selection),
    aggregation: ask.aggregation,
    limit: String(ask.functions),
    ...(ask.through === undefined ? {} : { function: ask.through }),
  };
  const answer = await client.get<FlamegraphReply>('api/v1/flamegraph', params, signal);
  return mapAnswer(answer, (reply) => ({
    graph: { names: [], levels: [], ...reply.flamegraph, total: reply.total, unit: reply.unit, kind: selection.kind },
    rows: reply.functions.map(({ name, flat, cum }) => ({
      name,
      flat: flat.value,
      cum: cum.value,
      flatText: flat.text,
      cumText: cum.text,
    })),
    functionCount: reply.functionCount,
    total: reply.total,
    text: reply.text,
    unit: reply.unit,
    aggregation: reply.aggregation,
  }));
}

interface DiffReply {
  readonly flamegraph?: {
    readonly names?: readonly string[];
    readonly levels?: readonly { readonly values?: readonly (number | string)[] }[];
    readonly leftTicks?: number | string;
    readonly rightTicks?: number | string;
  };
}

/** Two merged profiles of one kind over one tree. */
export async function askDiff(
  client: Client,
  left: Selection,
  right: Selection,
  signal: AbortSignal,
): Promise<Answer<FlameDiffData>> {
  const side = ({ kind, selector, range }: Selection): object => ({
    profileTypeID: kind,
    labelSelector: selector,
    ...rangeFields(range),
  });
  const message = { left: side(left), right: side(right) };
  const answer = await client.call<DiffReply>(`${QUERIER}/Diff`, message, signal);
  return mapAnswer(answer, ({ flamegraph = {} }) => ({
    names: flamegraph.names ?? [],
    levels: (flamegraph.levels ?? []).map(({ values = [] }) => values.map(Number)),
    leftTotal: Number(flamegraph.leftTicks ?? 0),
    rightTotal: Number(flamegraph.rightTicks ?? 0),
    unit: unitOf(left.kind),
    kind: left.kind,
  }));
}

/** Whether this tenant ever sent anything, and of when the newest profile is. */
export async function askStats(
  client: Client,
  signal: AbortSignal,
): Promise<Answer<{ ingested: boolean; newestMs: number }>> {
  const answer = await client.call<{ dataIngested?: boolean; newestProfileTime?: string }>(
    `${QUERIER}/GetProfileStats`,
    {},
    signal,
  );
  return mapAnswer(answer, ({ dataIngested = false, newestProfileTime = '0' }) => ({
    ingested: dataIngested,
    newestMs: Number(newestProfileTime),
  }));
}

/** The last refused pushes of this tenant, the newest first (docs/api.md). */
export async function askRejections(client: Client, signal: AbortSignal): Promise<Answer<readonly Rejection[]>> {
  const answer = await client.get<{ rejections?: readonly Rejection[] }>('api/v1/rejections', {}, signal);
  return mapAnswer(answer, ({ rejections = [] }) => rejections);
}

function byService(a: ServiceKinds, b: ServiceKinds): number {
  return a.service < b.service ? -1 : a.service > b.service ? 1 : 0;
}
