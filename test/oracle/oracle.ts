import { createHash } from 'node:crypto';
import {
  buildTree,
  encodeTree,
  flameGraph,
  minValue,
  treeStacks,
  truncateTree,
  type FlameGraphAnswer,
  type TreeNode,
} from './function-tree.ts';
import {
  fileParts,
  fixIngested,
  ingestMetricName,
  parseIngestName,
  parseTimeText,
  type SampleTypeConfig,
} from './ingest-form.ts';
import {
  compareBytes,
  defaultLimits,
  labelsOf,
  Refusal,
  sortedLabels,
  type Labels,
  type OracleLimits,
} from './labels.ts';
import { frameKey, normalise, type Frame, type Normalised, type StoredSample } from './normalise.ts';
import { readPprof, unzipped, utf8, type PprofMessage } from './pprof-message.ts';
import { matches, parseSelector } from './selector.ts';

/** What a push was answered: how many series it made, or why not. `reasons` are all that the contract allows for it. */
export type Verdict =
  | { readonly stored: number; readonly copy: boolean }
  | {
      readonly status: number;
      readonly code: string;
      readonly reason: string;
      readonly reasons: readonly string[];
      readonly message: string;
    };

export interface OraclePush {
  readonly tenant: string;
  readonly labels: Iterable<readonly [string, string]>;
  /** gzip or plain. */
  readonly pprofBytes: Uint8Array;
  readonly receivedMs: number;
  readonly limits?: Partial<OracleLimits>;
  /** RawSample.ID. */
  readonly id?: string;
}

export interface OracleIngest {
  readonly tenant: string;
  /** Query parameters, decoded. */
  readonly query: Readonly<Record<string, string>>;
  readonly contentType: string;
  readonly body: Uint8Array;
  readonly receivedMs: number;
  readonly limits?: Partial<OracleLimits>;
}

/** Which rows a query reads. */
export interface OracleRange {
  readonly startMs: number;
  readonly endMs: number;
}

export interface OracleQuery extends OracleRange {
  readonly profileTypeId: string;
  readonly selector: string;
  /** 0 or absent: 8192. */
  readonly maxNodes?: number;
  /** Samples of these spans, traces and of stacks that begin with these functions, root first; absent = all. */
  readonly spanIds?: readonly string[];
  readonly traceIds?: readonly string[];
  readonly callSite?: readonly string[];
}

/** One profile's sum in one group, or one sample's of a span. `id` tells profiles apart; of a span it is its id, then its trace's, '' for none. */
export interface OracleValue {
  readonly group: [string, string][];
  readonly timeMs: number;
  readonly value: bigint;
  readonly id: string;
}

/** A stack of an answer in pprof form, leaf first, as comparable text. */
export interface PprofStack {
  readonly frames: readonly string[];
  readonly value: bigint;
}

/** One series of one sample type with the samples of one profile. */
interface StoredSeries {
  readonly labels: Labels;
  readonly typeId: string;
  readonly timeMs: number;
  /** Counts stored profiles. */
  readonly profile: number;
  readonly total: bigint;
  readonly samples: readonly { readonly sample: StoredSample; readonly value: bigint }[];
}

const DUPLICATE_WINDOW_MS = 71 * 60_000;
const DEFAULT_MAX_NODES = 8_192;
const LEGACY_NAME = /^[a-zA-Z_][a-zA-Z0-9_]*$/;

/** The slow, obvious server: what a push is answered and what a query must then say. Written from the contract's text alone. */
export class Oracle {
  readonly #rows = new Map<string, StoredSeries[]>();
  readonly #kept = new Map<string, number>();
  #profiles = 0;

  /** One RawSample of `push.v1.PusherService/Push`. Refused ones leave nothing. */
  push(push: OraclePush): Verdict {
    return this.#verdict(400, () => {
      const bytes = this.#unzip(push.pprofBytes);
      return this.#store(push, labelsOf(push.labels), bytes, this.#read(bytes), push.id);
    });
  }

  /** `POST /ingest` of a pprof. */
  ingest(ingest: OracleIngest): Verdict {
    let name: ReturnType<typeof parseIngestName>;
    try {
      name = parseIngestName(ingest.query['name'] ?? '');
    } catch (error) {
      return refused(400, error as Refusal);
    }
    const format = ingestFormat(ingest.query['format'] ?? '', ingest.contentType.toLowerCase());
    if (format !== 'pprof') {
      return {
        status: 415,
        code: 'unimplemented',
        reason: format,
        reasons: [format],
        message: `format ${format} is not read`,
      };
    }
    return this.#verdict(422, () => {
      const { profile, config } = ingestParts(ingest);
      if (profile.length === 0) return { stored: 0, copy: false };
      const bytes = this.#unzip(profile);
      const message = this.#read(bytes);
      const spy = ingest.query['spyName'] || 'unknown';
      fixIngested(message, spy, config, parseTimeText(ingest.query['from'], ingest.receivedMs));
      const types = message.sampleType.map((t) => utf8(message.stringTable[Number(t.type)] ?? new Uint8Array(0)) ?? '');
      const own = labelsOf(name.labels);
      const labels: [string, string][] = [
        ['__name__', ingestMetricName(types, config)],
        ['__delta__', 'false'],
        ['pyroscope_spy', spy],
        ...(own.has('service_name') ? [] : [['service_name', name.app] as [string, string]]),
        ...own,
      ];
      // A label of the name wins over what the server would set.
      return this.#store(ingest, labelsOf(new Map(labels)), bytes, message, undefined);
    });
  }

  #verdict(status: number, work: () => Verdict): Verdict {
    try {
      return work();
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      return refused(status, error);
    }
  }

  #unzip(bytes: Uint8Array): Uint8Array {
    try {
      return unzipped(bytes);
    } catch (error) {
      throw new Refusal('malformed_profile', String(error));
    }
  }

  #read(bytes: Uint8Array): PprofMessage {
    try {
      return readPprof(bytes);
    } catch (error) {
      throw new Refusal('malformed_profile', String(error));
    }
  }

  #store(
    push: { tenant: string; receivedMs: number; limits?: Partial<OracleLimits> },
    labels: Labels,
    bytes: Uint8Array,
    message: PprofMessage,
    id: string | undefined,
  ): Verdict {
    const limits = { ...defaultLimits, ...push.limits };
    const input = { message, uncompressedBytes: bytes.length, labels, receivedMs: push.receivedMs, limits };
    const ownTime = message.timeNanos > 0n && message.timeNanos % 1_000_000_000n !== 0n;
    const normalised = normalise(input);
    const series = seriesOf(normalised, this.#profiles++);
    if (ownTime || (id !== undefined && id !== '')) {
      const key = createHash('sha256')
        .update(
          JSON.stringify([
            push.tenant,
            sortedLabels(labels),
            normalised.types,
            `${message.timeNanos}`,
            `${message.durationNanos}`,
            id ?? '',
          ]),
        )
        .update(bytes)
        .digest('hex');
      const keptMs = this.#kept.get(key);
      if (keptMs !== undefined && push.receivedMs - keptMs < DUPLICATE_WINDOW_MS) return { stored: 0, copy: true };
      if (series.length > 0) this.#kept.set(key, push.receivedMs);
    }
    const rows = this.#rows.get(push.tenant) ?? [];
    rows.push(...series);
    this.#rows.set(push.tenant, rows);
    return { stored: series.length, copy: false };
  }

  #select(tenant: string, query: OracleQuery, reachBackMs = 0): StoredSeries[] {
    const parts = query.profileTypeId.split(':');
    if (parts.length < 5 || parts.length > 6) throw new Refusal('invalid_profile_type', query.profileTypeId);
    const typeId = parts.slice(0, 5).join(':');
    const matchers = parseSelector(query.selector);
    return this.#inRange(tenant, { startMs: query.startMs - reachBackMs, endMs: query.endMs })
      .filter((row) => row.typeId === typeId && matches(row.labels, matchers))
      .map((row) => chosen(row, query))
      .filter(({ total }) => total > 0n);
  }

  /** The span and trace ids that samples of a query carry, sorted. */
  ids(tenant: string, query: OracleQuery): { spans: string[]; traces: string[] } {
    const samples = this.#select(tenant, query).flatMap((row) => row.samples.map(({ sample }) => sample));
    const distinct = (ids: string[]): string[] => [...new Set(ids)].filter((id) => id !== '').sort();
    return {
      spans: distinct(samples.map(({ spanId }) => spanId)),
      traces: distinct(samples.map(({ traceId }) => traceId)),
    };
  }

  /** Single values (§5.13): one per profile and group, or one per sample with a span. */
  values(
    tenant: string,
    query: OracleQuery & { readonly stepSeconds: number; readonly groupBy: readonly string[] },
    of: 'profiles' | 'spans',
  ): OracleValue[] {
    const stepMs = Math.trunc(query.stepSeconds * 1_000);
    const rows = this.#select(tenant, query, stepMs).filter(({ timeMs }) => timeMs > query.startMs - stepMs);
    const found = new Map<string, OracleValue>();
    for (const { labels, timeMs, profile, total, samples } of rows) {
      const group = query.groupBy
        .filter((name) => labels.has(name))
        .map((name): [string, string] => [name, labels.get(name)!]);
      if (of === 'profiles') {
        const key = JSON.stringify([group, profile]);
        const value = (found.get(key)?.value ?? 0n) + total;
        found.set(key, { group, timeMs, value, id: String(profile) });
        continue;
      }
      for (const { sample, value } of samples)
        if (sample.spanId !== '')
          found.set(String(found.size), { group, timeMs, value, id: sample.spanId + sample.traceId });
    }
    return [...found.values()];
  }

  /** Self value of every stack of function names on both sides, in the form of `decodeFlameGraph`. */
  diff(tenant: string, left: OracleQuery, right: OracleQuery): [Map<string, bigint>, Map<string, bigint>] {
    // A flame graph has row 0 of its names for functions without a name too.
    const shown = (nodes: readonly TreeNode[]): TreeNode[] =>
      nodes.map((node) => ({ ...node, name: node.name || 'total', children: shown(node.children) }));
    const [l, r] = [left, right].map((side) => treeStacks(shown(this.#tree(tenant, { ...side, maxNodes: 1e9 }).roots)));
    return [l!, r!];
  }

  #inRange(tenant: string, { startMs, endMs }: OracleRange): StoredSeries[] {
    return (this.#rows.get(tenant) ?? []).filter((row) => startMs <= row.timeMs && row.timeMs <= endMs);
  }

  #tree(tenant: string, query: OracleQuery): { roots: TreeNode[]; min: bigint } {
    const stacks = this.#select(tenant, query).flatMap(({ samples }) =>
      samples.map(({ sample, value }) => ({ names: sample.frames.map((f) => f.name).reverse(), value })),
    );
    const roots = buildTree(stacks);
    return { roots, min: minValue(roots, query.maxNodes || DEFAULT_MAX_NODES) };
  }

  /** The flame graph of §5.6, cut once at the end. */
  flameGraph(tenant: string, query: OracleQuery): FlameGraphAnswer {
    const { roots, min } = this.#tree(tenant, query);
    return roots.length === 0
      ? { names: ['total'], levels: [[0n, 0n, 0n, 0n]], total: 0n, maxSelf: 0n }
      : flameGraph(roots, min);
  }

  /** The tree of §5.4, and its bytes of §5.5. */
  tree(tenant: string, query: OracleQuery): { roots: TreeNode[]; bytes: Uint8Array } {
    const { roots, min } = this.#tree(tenant, query);
    const cut = truncateTree(roots, min);
    return { roots: cut, bytes: encodeTree(cut) };
  }

  /** The merged pprof as its stacks: names, files, lines, mappings, values. Never truncated. */
  pprof(tenant: string, query: OracleQuery): PprofStack[] {
    const sums = new Map<string, { frames: string[]; value: bigint }>();
    for (const { samples } of this.#select(tenant, query)) {
      for (const { sample, value } of samples) addStack(sums, sample.frames, value);
    }
    return sortStacks(sums);
  }

  /** Points of §5.11 per group. */
  selectSeries(
    tenant: string,
    query: OracleQuery & {
      readonly stepSeconds: number;
      readonly groupBy: readonly string[];
      readonly limit?: number;
      readonly average?: boolean;
    },
  ): { labels: [string, string][]; points: { timestamp: number; value: number }[] }[] {
    const stepMs = Math.trunc(query.stepSeconds * 1_000);
    const groups = new Map<
      string,
      { labels: [string, string][]; sums: Map<number, bigint>; rows: Map<number, number> }
    >();
    const last = query.startMs + Math.floor((query.endMs - query.startMs) / stepMs) * stepMs;
    for (const row of this.#select(tenant, query, stepMs)) {
      if (row.timeMs <= query.startMs - stepMs || row.timeMs > last) continue;
      const bucket = query.startMs + Math.ceil((row.timeMs - query.startMs) / stepMs) * stepMs;
      const labels = query.groupBy
        .filter((name) => row.labels.has(name))
        .map((name): [string, string] => [name, row.labels.get(name)!]);
      const key = JSON.stringify(labels);
      if (!groups.has(key)) groups.set(key, { labels, sums: new Map(), rows: new Map() });
      const { sums, rows } = groups.get(key)!;
      sums.set(bucket, (sums.get(bucket) ?? 0n) + row.total);
      rows.set(bucket, (rows.get(bucket) ?? 0) + 1);
    }
    const series = [...groups.values()].map(({ labels, sums, rows }) => {
      const points = [...sums]
        .sort(([a], [b]) => a - b)
        .map(([timestamp, value]) => ({
          timestamp,
          value: query.average === true ? Number(value) / rows.get(timestamp)! : Number(value),
        }));
      const total =
        query.average === true
          ? points.reduce((sum, { value }) => sum + value, 0)
          : [...sums.values()].reduce((a, b) => a + b, 0n);
      return { labels, total, points };
    });
    series.sort((a, b) => (a.total === b.total ? compareLabels(a.labels, b.labels) : a.total > b.total ? -1 : 1));
    const kept = query.limit !== undefined && query.limit > 0 ? series.slice(0, query.limit) : series;
    return kept.map(({ labels, points }) => ({ labels, points }));
  }

  /** Ids in range, sorted. */
  profileTypes(tenant: string, range: OracleRange): string[] {
    return [...new Set(this.#inRange(tenant, range).map((row) => row.typeId))].sort(compareBytes);
  }

  labelNames(
    tenant: string,
    range: OracleRange,
    options: { matchers?: readonly string[]; utf8?: boolean } = {},
  ): string[] {
    const names = this.#matching(tenant, range, options.matchers).flatMap(({ labels }) => [...labels.keys()]);
    return [...new Set(names)].filter((name) => options.utf8 === true || LEGACY_NAME.test(name)).sort(compareBytes);
  }

  labelValues(
    tenant: string,
    range: OracleRange,
    name: string,
    options: { matchers?: readonly string[] } = {},
  ): string[] {
    const values = this.#matching(tenant, range, options.matchers).flatMap(({ labels }) => labels.get(name) ?? []);
    return [...new Set(values)].sort(compareBytes);
  }

  /** Distinct label sets restricted to `labelNames` (all when empty), each sorted by name, in order of their text. */
  series(
    tenant: string,
    range: OracleRange,
    options: { matchers?: readonly string[]; labelNames?: readonly string[]; utf8?: boolean } = {},
  ): [string, string][][] {
    const wanted = options.labelNames ?? [];
    const sets = new Map<string, [string, string][]>();
    for (const { labels } of this.#matching(tenant, range, options.matchers)) {
      const kept = sortedLabels(labels).filter(
        ([name]) => (wanted.length === 0 || wanted.includes(name)) && (options.utf8 === true || LEGACY_NAME.test(name)),
      );
      sets.set(JSON.stringify(kept), kept);
    }
    return [...sets].sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)).map(([, set]) => set);
  }

  #matching(tenant: string, range: OracleRange, selectors: readonly string[] = []): StoredSeries[] {
    const matchers = selectors.flatMap(parseSelector);
    return this.#inRange(tenant, range).filter(({ labels }) => matches(labels, matchers));
  }

  /** Every stored series of every profile: its labels, sorted, and its sum. */
  stored(tenant: string): { labels: [string, string][]; typeId: string; timeMs: number; total: bigint }[] {
    return (this.#rows.get(tenant) ?? []).map(({ labels, typeId, timeMs, total }) => ({
      labels: sortedLabels(labels),
      typeId,
      timeMs,
      total,
    }));
  }

  /** Per profile type: how much was stored in all, for a first look. */
  totals(tenant: string): Map<string, bigint> {
    const sums = new Map<string, bigint>();
    for (const { typeId, total } of this.#rows.get(tenant) ?? []) sums.set(typeId, (sums.get(typeId) ?? 0n) + total);
    return sums;
  }
}

function refused(status: number, { code, reasons, message }: Refusal): Verdict {
  return { status, code, reason: reasons[0]!, reasons, message };
}

/** Which format a body of `/ingest` has (§3.2, first match wins). */
function ingestFormat(format: string, contentType: string): string {
  if (format === 'trie' || contentType === 'binary/octet-stream+trie') return 'trie';
  if (format === 'tree' || contentType === 'binary/octet-stream+tree') return 'tree';
  if (['lines', 'jfr', 'pprof', 'speedscope'].includes(format)) return format;
  return contentType.includes('multipart/form-data') ? 'pprof' : 'groups';
}

function ingestParts(ingest: OracleIngest): { profile: Uint8Array; config: SampleTypeConfig | undefined } {
  // Kiln takes format=pprof with either body (§11).
  const multipart = /multipart\/form-data/i.test(ingest.contentType);
  const startsAsForm = ingest.body[0] === 0x2d && ingest.body[1] === 0x2d;
  if (!multipart || (ingest.query['format'] === 'pprof' && !startsAsForm))
    return { profile: ingest.body, config: undefined };
  const parts = fileParts(ingest.body, ingest.contentType);
  if ((parts.get('prev_profile')?.length ?? 0) > 0)
    throw new Refusal('malformed_profile', 'prev_profile is not supported');
  const profile = parts.get('profile');
  // There nothing is stored; Kiln refuses it (docs/compatibility.md).
  if (profile === undefined) throw new Refusal('malformed_body', 'the form has no part "profile"');
  const config = profile.length === 0 ? undefined : parts.get('sample_type_config');
  if (config === undefined || config.length === 0) return { profile, config: undefined };
  try {
    return { profile, config: JSON.parse(Buffer.from(config).toString('utf8')) as SampleTypeConfig };
  } catch (error) {
    throw new Refusal('malformed_body', String(error));
  }
}

/** One series per sample type that has a value (§4.5), its stored labels complete. */
function seriesOf({ types, periodType, timeNanos, groups }: Normalised, profile: number): StoredSeries[] {
  const timeMs = Number(timeNanos / 1_000_000n);
  return groups.flatMap(({ labels, samples }) =>
    types.flatMap(({ type, unit }, t): StoredSeries[] => {
      const total = samples.reduce((sum, { values }) => sum + values[t]!, 0n);
      if (total === 0n) return [];
      const typeId = [labels.get('__name__'), type, unit, periodType?.type ?? '', periodType?.unit ?? ''].join(':');
      const server: [string, string][] = [
        ['__profile_type__', typeId],
        ['__service_name__', labels.get('service_name')!],
        ['__type__', type],
        ['__unit__', unit],
        ['__period_type__', periodType?.type ?? ''],
        ['__period_unit__', periodType?.unit ?? ''],
      ];
      const all = new Map([...labels, ...server].filter(([, value]) => value !== ''));
      return [
        {
          labels: all,
          typeId,
          timeMs,
          profile,
          total,
          samples: samples.map((sample) => ({ sample, value: sample.values[t]! })).filter((s) => s.value > 0n),
        },
      ];
    }),
  );
}

/** What a query's conditions on samples leave of a row. */
function chosen(row: StoredSeries, { spanIds, traceIds, callSite }: OracleQuery): StoredSeries {
  if (spanIds === undefined && traceIds === undefined && callSite === undefined) return row;
  const samples = row.samples.filter(({ sample: { spanId, traceId, frames } }) => {
    const names = frames.map(({ name }) => name).reverse();
    return (
      (spanIds === undefined || (spanId !== '' && spanIds.includes(spanId))) &&
      (traceIds === undefined || (traceId !== '' && traceIds.includes(traceId))) &&
      (callSite === undefined || callSite.every((name, depth) => names[depth] === name))
    );
  });
  return { ...row, samples, total: samples.reduce((sum, { value }) => sum + value, 0n) };
}

function addStack(
  sums: Map<string, { frames: string[]; value: bigint }>,
  frames: readonly Frame[],
  value: bigint,
): void {
  const texts = frames.map(frameKey);
  const key = texts.join('\n');
  const known = sums.get(key);
  if (known === undefined) sums.set(key, { frames: texts, value });
  else known.value += value;
}

function sortStacks(sums: Map<string, { frames: string[]; value: bigint }>): PprofStack[] {
  return [...sums].sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)).map(([, stack]) => stack);
}

function compareLabels(a: readonly [string, string][], b: readonly [string, string][]): number {
  for (let i = 0; i < Math.min(a.length, b.length); i++) {
    const order = compareBytes(a[i]![0], b[i]![0]) || compareBytes(a[i]![1], b[i]![1]);
    if (order !== 0) return order;
  }
  return a.length - b.length;
}

/**
 * A pprof message that a server answered → the stacks of its first sample type in the form of `Oracle.pprof`. A location without lines is named
 * by binary and address; samples of value 0 are left out.
 */
export function stacksOfAnswer(bytes: Uint8Array): {
  stacks: PprofStack[];
  sampleType: string[];
  timeNanos: bigint;
  labelled: number;
} {
  if (bytes.length === 0) return { stacks: [], sampleType: [], timeNanos: 0n, labelled: 0 };
  const message = readPprof(bytes);
  const limits = {
    ...defaultLimits,
    maxSamples: Infinity,
    maxProfileSizeBytes: Infinity,
    maxDepth: Infinity,
    rejectOlderThanMs: 1e15,
    rejectNewerThanMs: 1e15,
  };
  const labelled = message.sample.filter(({ label }) => label.length > 0).length;
  const { groups, types } = normalise({
    message,
    uncompressedBytes: 0,
    labels: new Map([['__name__', 'answer']]),
    receivedMs: 0,
    limits,
  });
  const sums = new Map<string, { frames: string[]; value: bigint }>();
  for (const { samples } of groups)
    for (const { frames, values } of samples) if (values[0]! > 0n) addStack(sums, frames, values[0]!);
  return {
    stacks: sortStacks(sums),
    sampleType: types.map((t) => `${t.type}/${t.unit}`),
    timeNanos: message.timeNanos,
    labelled,
  };
}
