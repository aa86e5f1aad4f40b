import { profileTypeId, type Label } from '@kiln/model';
import type { SampleSelection, SelectSeriesQuery, ValuesOf } from '../query.ts';
import type { ModelDataset, ModelLocation, ModelRow } from './model.ts';

/*
 * The slow and obvious answers, from contract/pyroscope.md §5: bigints, Maps and recursion. Shares no code with the engine
 * but the id of a profile type.
 */

export interface Condition {
  readonly name: string;
  readonly op: '=' | '!=' | '=~' | '!~';
  readonly value: string;
}

/** One value type of one row, as the contract sees it: a row of a series with all its labels. */
export interface OracleRow {
  readonly labels: ReadonlyMap<string, string>;
  readonly timeMs: number;
  readonly total: bigint;
  readonly id: string;
  readonly samples: readonly OracleSample[];
}

export interface OracleSample {
  readonly stack: readonly ModelLocation[];
  readonly value: bigint;
  readonly spanId: string | undefined;
  readonly traceId: string | undefined;
}

export function oracleRows(
  datasets: readonly ModelDataset[],
  startMs: number,
  endMs: number,
  conditions: readonly Condition[],
): OracleRow[] {
  return datasets
    .flatMap((dataset) => dataset.rows.flatMap((row) => dataset.types.map((_, type) => oracleRow(dataset, row, type))))
    .filter(({ total, timeMs }) => total > 0n && timeMs >= startMs && timeMs <= endMs)
    .filter(({ labels }) => conditions.every((condition) => holds(condition, labels.get(condition.name) ?? '')));
}

function oracleRow(dataset: ModelDataset, row: ModelRow, type: number): OracleRow {
  const valueType = dataset.types[type]!;
  const labels = new Map([
    ...row.labels.map(({ name, value }): [string, string] => [name, value]),
    ['__name__', dataset.name],
    ['service_name', dataset.service],
    ['__service_name__', dataset.service],
    ['__type__', valueType.type],
    ['__unit__', valueType.unit],
    ['__profile_type__', profileTypeId(dataset.name, valueType)],
    ['__period_type__', valueType.periodType],
    ['__period_unit__', valueType.periodUnit],
  ]);
  for (const [name, text] of labels) if (text === '') labels.delete(name);
  return {
    labels,
    timeMs: row.timeMs,
    total: row.samples.reduce((sum, { values }) => sum + values[type]!, 0n),
    id: row.id ?? '0000000000000000',
    samples: row.samples.map(({ stack, values, spanId, traceId }) => ({
      stack,
      value: values[type]!,
      spanId,
      traceId,
    })),
  };
}

/** What a selection of samples leaves of rows: those of its profiles with their samples of its spans, traces and call site. */
export function selectSamples(
  rows: readonly OracleRow[],
  { profileIds = [], spanIds = [], traceIds = [], callSite = [] }: SampleSelection,
): OracleRow[] {
  const isIn = (ids: readonly string[], id: string | undefined): boolean =>
    ids.length === 0 || (id !== undefined && ids.includes(id));
  return rows
    .filter(({ id }) => isIn(profileIds, id))
    .map((row) => {
      const samples = row.samples.filter(
        ({ stack, spanId, traceId }) =>
          isIn(spanIds, spanId) &&
          isIn(traceIds, traceId) &&
          JSON.stringify(frames(stack).slice(0, callSite.length)) === JSON.stringify(callSite),
      );
      return { ...row, samples, total: samples.reduce((sum, { value }) => sum + value, 0n) };
    })
    .filter(({ total }) => total > 0n);
}

function holds({ op, value }: Condition, found: string): boolean {
  const equal = op === '=' || op === '!=' ? found === value : new RegExp(`^(?:${value})$`, 'su').test(found);
  return op === '=' || op === '=~' ? equal : !equal;
}

export interface OracleNode {
  readonly name: string;
  self: bigint;
  total: bigint;
  readonly children: OracleNode[];
}

/** The merged function tree; its root has no name and the total of its children. */
export function oracleTree(rows: readonly OracleRow[]): OracleNode {
  const root: OracleNode = { name: '', self: 0n, total: 0n, children: [] };
  for (const { samples } of rows)
    for (const { stack, value } of samples) if (value > 0n) insert(root, frames(stack), value);
  return root;
}

function frames(stack: readonly ModelLocation[]): string[] {
  return stack.flatMap(({ binary, address, lines }) =>
    lines.length > 0 ? lines.toReversed() : [`${binary.split('/').at(-1)! || 'unknown'}!0x${address.toString(16)}`],
  );
}

function insert(root: OracleNode, names: readonly string[], value: bigint): void {
  if (names.length === 0) return;
  let node = root;
  root.total += value;
  for (const name of names) {
    let child = node.children.find((other) => other.name === name);
    if (child === undefined) {
      child = { name, self: 0n, total: 0n, children: [] };
      node.children.push(child);
      node.children.sort(byName);
    }
    child.total += value;
    node = child;
  }
  node.self += value;
}

function byName(a: OracleNode, b: OracleNode): number {
  return Buffer.compare(Buffer.from(a.name), Buffer.from(b.name));
}

function minimum(root: OracleNode, maxNodes: number): bigint {
  const totals: bigint[] = [];
  const visit = (node: OracleNode): void => {
    for (const child of node.children) {
      totals.push(child.total);
      visit(child);
    }
  };
  visit(root);
  if (maxNodes < 1 || totals.length <= maxNodes) return 0n;
  return totals.toSorted((a, b) => (a < b ? 1 : a > b ? -1 : 0))[maxNodes - 1]!;
}

export interface OracleFlameGraph {
  names: string[];
  levels: bigint[][];
  total: bigint;
  maxSelf: bigint;
}

/** §5.6. */
export function oracleFlameGraph(root: OracleNode, maxNodes: number): OracleFlameGraph {
  const min = minimum(root, maxNodes);
  const names = ['total'];
  const levels: { x: bigint; node: OracleNode }[][] = [];
  let maxSelf = 0n;
  const place = (node: OracleNode, level: number, x: bigint): void => {
    (levels[level] ??= []).push({ x, node });
    if (node.self > maxSelf) maxSelf = node.self;
    let at = x + node.self;
    for (const child of shown(node)) {
      place(child, level + 1, at);
      at += child.total;
    }
  };
  const shown = (node: OracleNode): OracleNode[] => {
    const kept = node.children.filter(({ name, total }) => total >= min && name !== 'other');
    const rest = node.children.filter((child) => !kept.includes(child)).reduce((sum, { total }) => sum + total, 0n);
    return rest === 0n ? kept : [...kept, { name: 'other', self: rest, total: rest, children: [] }];
  };
  const number = (node: OracleNode): void => {
    if (node.name !== '' && !names.slice(1).includes(node.name)) names.push(node.name);
    for (const child of shown(node).toReversed()) number(child);
  };
  place(root, 0, 0n);
  number(root);
  return {
    names,
    levels: levels.map((level) => {
      let right = 0n;
      return level.flatMap(({ x, node }) => {
        const delta = x - right;
        right = x + node.total;
        const name = node.name === '' ? 0 : names.indexOf(node.name, 1);
        return [delta, node.total, node.self, BigInt(name)];
      });
    }),
    total: root.total,
    maxSelf,
  };
}

/** §5.5: the truncated tree as nested records, children in the order of names. */
export function oracleCutTree(root: OracleNode, maxNodes: number): OracleNode {
  const min = minimum(root, maxNodes);
  const cut = (node: OracleNode): OracleNode => {
    const kept = node.children.filter(({ name, total }) => total >= min || name === 'other').map(cut);
    const rest = node.children
      .filter(({ name, total }) => total < min && name !== 'other')
      .reduce((sum, { total }) => sum + total, 0n);
    if (rest > 0n) {
      let other = kept.find(({ name }) => name === 'other');
      if (other === undefined) {
        other = { name: 'other', self: 0n, total: 0n, children: [] };
        kept.push(other);
      }
      other.self += rest;
      other.total += rest;
    }
    return { name: node.name, self: node.self, total: node.total, children: kept.toSorted(byName) };
  };
  return cut(root);
}

/** Reads tree bytes by the rule of §5.5: each record belongs to the newest parent that still waits for children. */
export function readTreeBytes(bytes: Uint8Array): OracleNode {
  let at = 0;
  const uvarint = (): bigint => {
    let value = 0n;
    for (let shift = 0n; ; shift += 7n) {
      const byte = BigInt(bytes[at++]!);
      value |= (byte & 127n) << shift;
      if (byte < 128n) return value;
    }
  };
  const record = (): OracleNode => {
    const length = Number(uvarint());
    const name = Buffer.from(bytes.subarray(at, at + length)).toString();
    at += length;
    const node: OracleNode = { name, self: uvarint(), total: 0n, children: [] };
    const children = Number(uvarint());
    for (let i = 0; i < children; i++) node.children.unshift(record());
    node.total = node.children.reduce((sum, { total }) => sum + total, node.self);
    return node;
  };
  const root = record();
  if (at !== bytes.length) throw new Error(`${bytes.length - at} bytes left`);
  return root;
}

/** §5.11; values as exact sums. */
export function oracleSeries(
  rows: readonly OracleRow[],
  query: SelectSeriesQuery,
): { labels: Label[]; points: { timeMs: number; sum: bigint; rows: bigint }[] }[] {
  const groups = new Map<string, { labels: Label[]; points: Map<number, { sum: bigint; rows: bigint }> }>();
  const edges: number[] = [];
  for (let edge = query.startMs; edge <= query.endMs; edge += query.stepMs) edges.push(edge);
  for (const row of rows) {
    const edge = edges.find((right) => row.timeMs > right - query.stepMs && row.timeMs <= right);
    if (edge === undefined) continue;
    const labels = query.groupBy.flatMap((name) =>
      row.labels.has(name) ? [{ name, value: row.labels.get(name)! }] : [],
    );
    const key = JSON.stringify(labels);
    if (!groups.has(key)) groups.set(key, { labels, points: new Map() });
    const { points } = groups.get(key)!;
    const before = points.get(edge) ?? { sum: 0n, rows: 0n };
    points.set(edge, { sum: before.sum + row.total, rows: before.rows + 1n });
  }
  return [...groups.values()].map(({ labels, points }) => ({
    labels,
    points: [...points].map(([timeMs, point]) => ({ timeMs, ...point })).toSorted((a, b) => a.timeMs - b.timeMs),
  }));
}

/** One profile's value in one group, or one sample's of a span. */
export interface OracleValue {
  readonly group: readonly Label[];
  readonly timeMs: number;
  readonly value: bigint;
  readonly id: string;
  /** Labels of its series that are not in the group, as sorted text. */
  readonly labels: readonly string[];
}

export function oracleValues(rows: readonly OracleRow[], of: ValuesOf, groupBy: readonly string[]): OracleValue[] {
  const values = rows.flatMap((row): OracleValue[] => {
    const group = groupBy.flatMap((name) => (row.labels.has(name) ? [{ name, value: row.labels.get(name)! }] : []));
    const labels = [...row.labels]
      .filter(([name]) => !groupBy.includes(name))
      .map(([name, value]) => `${name}=${value}`)
      .toSorted();
    const { timeMs } = row;
    if (of === 'profiles') return [{ group, timeMs, value: row.total, id: row.id, labels }];
    return row.samples
      .filter(({ spanId, value }) => spanId !== undefined && value > 0n)
      .map(({ spanId, traceId, value }) => ({
        group,
        timeMs,
        value,
        id: spanId! + (traceId ?? '0'.repeat(32)),
        labels,
      }));
  });
  if (of === 'spans') return values;
  const merged = new Map<string, OracleValue>();
  for (const one of values) {
    const key = JSON.stringify([one.group, one.timeMs, one.id]);
    const known = merged.get(key);
    merged.set(
      key,
      known === undefined
        ? one
        : {
            ...known,
            value: known.value + one.value,
            labels: known.labels.filter((label) => one.labels.includes(label)),
          },
    );
  }
  return [...merged.values()];
}

/** The largest value, of equal ones the earliest, then that of the smallest id. */
export function oracleExemplar(values: readonly OracleValue[]): OracleValue | undefined {
  return values.toSorted(
    (a, b) => (a.value > b.value ? -1 : a.value < b.value ? 1 : 0) || a.timeMs - b.timeMs || (a.id < b.id ? -1 : 1),
  )[0];
}
