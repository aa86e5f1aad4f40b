import type { DatasetTables } from '@kiln/block';
import { CorruptDataError } from '@kiln/bytes';
import { plainName, profileTypeId, type ProfileType } from '@kiln/model';
import type { QueryLimits } from './limits.ts';
import type { ProfileTypesQuery, QueryRange } from './query.ts';
import { compileRange, matchTypes } from './selection.ts';
import { finishTexts, mergeTexts, TextSet } from './text-set.ts';
import { compareUtf8 } from './utf8-order.ts';

/** A profile type and its id. */
export interface ProfileTypeAnswer extends ProfileType {
  readonly id: string;
}

const WHAT = 'profile types';

/** The ids of the profile types that have a value in the range, as a set of texts: each is an id's five parts as a JSON list, since a part may hold a colon. */
export function runProfileTypes(
  query: ProfileTypesQuery,
  datasets: Iterable<DatasetTables>,
  limits: QueryLimits = {},
): Uint8Array {
  const selection = compileRange(query);
  const found = new TextSet(WHAT, limits);
  for (const tables of datasets) {
    for (const type of matchTypes(tables, selection)) {
      const { type: sampleType, unit, periodType, periodUnit } = tables.types[type]!;
      const parts = JSON.stringify([plainName(tables.name), sampleType, unit, periodType, periodUnit]);
      if (!found.has(parts) && hasValue(tables, type, query)) found.add(parts);
    }
  }
  return found.encode();
}

function hasValue({ rows }: DatasetTables, type: number, { startMs, endMs }: QueryRange): boolean {
  const { lo, hi } = rows.totals[type]!;
  for (let row = 0; row < rows.length; row++) {
    const time = rows.timeMs[row]!;
    if (time >= startMs && time <= endMs && (lo[row]! > 0 || (hi !== undefined && hi[row]! > 0))) return true;
  }
  return false;
}

export function mergeProfileTypes(partials: readonly Uint8Array[], limits: QueryLimits = {}): Uint8Array {
  return mergeTexts(WHAT, partials, limits);
}

/** Sorted by id. */
export function finishProfileTypes(partial: Uint8Array): ProfileTypeAnswer[] {
  const answers = finishTexts(WHAT, partial).map((text) => {
    const type = readParts(text);
    return { ...type, id: profileTypeId(type.name, type) };
  });
  return answers.toSorted((a, b) => compareUtf8(a.id, b.id));
}

function readParts(text: string): ProfileType {
  let parts: unknown;
  try {
    parts = JSON.parse(text);
  } catch {
    parts = undefined;
  }
  if (!Array.isArray(parts) || parts.length !== 5 || !parts.every((part) => typeof part === 'string')) {
    throw new CorruptDataError(
      `${WHAT} partial`,
      0,
      `${JSON.stringify(text.slice(0, 100))}, want a list of five strings`,
    );
  }
  const [name, type, unit, periodType, periodUnit] = parts as [string, string, string, string, string];
  return { name, type, unit, periodType, periodUnit };
}
