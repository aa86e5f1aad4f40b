import type { DatasetTables } from '@kiln/block';
import {
  labelValue,
  markOf,
  parseProfileTypeId,
  parseSelector,
  plainName,
  profileTypeId,
  type Matcher,
  type ValueType,
} from '@kiln/model';
import { isCovered, NO_COVER, type Cover } from './roll-ups.ts';
import type { DiscoveryQuery, ProfileSelection, QueryRange, SampleSelection, SelectSeriesQuery } from './query.ts';
import { compileSamples, keepProfiles, type SampleConditions } from './sample-conditions.ts';

/** Compiled conditions on rows: made once per run. */
export interface Selection extends QueryRange {
  /** On labels that follow from a dataset's value type. */
  readonly virtual: readonly Matcher[];
  /** On `service_name` and `__name__`, which all series of a dataset share. */
  readonly shared: readonly Matcher[];
  readonly others: readonly Matcher[];
  /** On the samples of the rows. */
  readonly samples: SampleConditions;
  /** Whether rows count of which sampling has left but their sums. */
  readonly includesStripped: boolean;
}

/** Labels that no series stores: they follow from the value type, and from the service. */
export const VIRTUAL_LABELS: readonly string[] = [
  '__period_type__',
  '__period_unit__',
  '__profile_type__',
  '__service_name__',
  '__type__',
  '__unit__',
];

const isVirtual = new Set(VIRTUAL_LABELS);

/** The value of a virtual label for one value type of a dataset; '' when it has none. */
export function virtualLabel(tables: DatasetHead, type: ValueType, name: string): string {
  switch (name) {
    case '__profile_type__':
      return profileTypeId(plainName(tables.name), type);
    case '__type__':
      return type.type;
    case '__unit__':
      return type.unit;
    case '__period_type__':
      return type.periodType;
    case '__period_unit__':
      return type.periodUnit;
    case '__service_name__':
      return tables.service;
    default:
      return '';
  }
}

export function isVirtualLabel(name: string): boolean {
  return isVirtual.has(name);
}

/** @throws KilnError `invalid_argument` for a profile type id or selector that does not parse. */
export function compileProfileSelection(
  query: ProfileSelection & SampleSelection & Pick<SelectSeriesQuery, 'includesStripped'>,
  range: QueryRange,
): Selection {
  const type = parseProfileTypeId(query.profileType);
  const id = profileTypeId(type.name, type);
  const idMatcher: Matcher = { name: '__profile_type__', op: '=', value: id, matches: (value) => value === id };
  const { includesStripped = false } = query;
  return { ...compile([idMatcher, ...parseSelector(query.selector)], range, compileSamples(query)), includesStripped };
}

/** @throws KilnError `invalid_argument` for a selector that does not parse. */
export function compileDiscovery(query: DiscoveryQuery): Selection {
  return compile(
    query.matchers.flatMap((text) => parseSelector(text)),
    query,
  );
}

/** All rows of a range. */
export function compileRange(range: QueryRange): Selection {
  return compile([], range);
}

function compile(
  matchers: readonly Matcher[],
  { startMs, endMs }: QueryRange,
  samples: SampleConditions = compileSamples({}),
): Selection {
  const shared = matchers.filter(({ name }) => name === 'service_name' || name === '__name__');
  const virtual = matchers.filter(({ name }) => isVirtual.has(name));
  const others = matchers.filter((matcher) => !shared.includes(matcher) && !virtual.includes(matcher));
  return { startMs, endMs, virtual, shared, others, samples, includesStripped: false };
}

/** What is known of a dataset before its sections are read. */
export type DatasetHead = Pick<DatasetTables, 'service' | 'name' | 'types' | 'minMs' | 'maxMs'>;

/** Numbers of the value types that a selection wants of a dataset; none when the dataset is outside it as a whole. */
export function matchTypes(tables: DatasetHead, selection: Selection): number[] {
  if (tables.maxMs < selection.startMs || tables.minMs > selection.endMs) return [];
  const name = plainName(tables.name);
  if (name !== tables.name && !selection.includesStripped && markOf(tables.name).isStripped) return [];
  for (const matcher of selection.shared) {
    if (!matcher.matches(matcher.name === '__name__' ? name : tables.service)) return [];
  }
  const wanted: number[] = [];
  for (const [number, type] of tables.types.entries()) {
    if (selection.virtual.every((matcher) => matcher.matches(virtualLabel(tables, type, matcher.name))))
      wanted.push(number);
  }
  return wanted;
}

/** A byte per series, not 0 where it is wanted; undefined when all are. Decided once per series, never per row. */
export function matchSeries(tables: DatasetTables, selection: Selection): Uint8Array | undefined {
  if (selection.others.length === 0) return undefined;
  const mask = new Uint8Array(tables.series.length);
  let all = true;
  for (const [number, labels] of tables.series.entries()) {
    if (selection.others.every((matcher) => matcher.matches(labelValue(labels, matcher.name)))) mask[number] = 1;
    else all = false;
  }
  return all ? undefined : mask;
}

/**
 * A byte per row, not 0 where it is wanted; undefined when all are; 'none' when none is. Hot: once per row.
 * @param cover rows from `fromMs` on and before `toMs` are not wanted.
 */
export function matchRows(
  tables: DatasetTables,
  selection: Selection,
  seriesMask: Uint8Array | undefined,
  cover: Pick<Cover, 'fromMs' | 'toMs'> = NO_COVER,
): Uint8Array | undefined | 'none' {
  const wanted = matchTimes(tables, selection, seriesMask, cover);
  const { profiles } = selection.samples;
  return profiles === undefined || wanted === 'none' ? wanted : keepProfiles(tables.rows, wanted, profiles);
}

function matchTimes(
  tables: DatasetTables,
  selection: Selection,
  seriesMask: Uint8Array | undefined,
  cover: Pick<Cover, 'fromMs' | 'toMs'>,
): Uint8Array | undefined | 'none' {
  const { startMs, endMs } = selection;
  const { fromMs, toMs } = cover;
  if (isCovered(cover, selection)) return 'none';
  if (seriesMask === undefined && fromMs >= toMs && tables.minMs >= startMs && tables.maxMs <= endMs) return undefined;
  const { length, series, timeMs } = tables.rows;
  const wanted = new Uint8Array(length);
  let count = 0;
  if (seriesMask === undefined) {
    for (let row = 0; row < length; row++) {
      const time = timeMs[row]!;
      if (time >= startMs && time <= endMs && (time < fromMs || time >= toMs)) {
        wanted[row] = 1;
        count++;
      }
    }
  } else {
    for (let row = 0; row < length; row++) {
      const time = timeMs[row]!;
      if (time >= startMs && time <= endMs && seriesMask[series[row]!]! !== 0) {
        wanted[row] = 1;
        count++;
      }
    }
  }
  return count === 0 ? 'none' : count === length ? undefined : wanted;
}

/** A byte per series, not 0 where one of its wanted rows has a value of the type: only there does the series have the type. */
export function seriesWithValues(
  tables: DatasetTables,
  type: number,
  seriesMask: Uint8Array | undefined,
  { startMs, endMs }: QueryRange,
): Uint8Array {
  const seen = new Uint8Array(tables.series.length);
  const { length, series, timeMs, totals } = tables.rows;
  const { lo, hi } = totals[type]!;
  for (let row = 0; row < length; row++) {
    const ref = series[row]!;
    if (seen[ref] !== 0) continue;
    const time = timeMs[row]!;
    if (time < startMs || time > endMs) continue;
    if (seriesMask !== undefined && seriesMask[ref] === 0) continue;
    if (lo[row]! > 0 || (hi !== undefined && hi[row]! > 0)) seen[ref] = 1;
  }
  return seen;
}
