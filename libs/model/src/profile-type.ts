import { KilnError } from './errors.ts';
import type { ValueType } from './profile.ts';

/** A profile type: the name and what its values count. */
export interface ProfileType extends ValueType {
  readonly name: string;
}

/** `name:sampleType:sampleUnit:periodType:periodUnit`; parts may be empty. */
export function profileTypeId(name: string, { type, unit, periodType, periodUnit }: ValueType): string {
  return `${name}:${type}:${unit}:${periodType}:${periodUnit}`;
}

/**
 * Reads a profile type id. A sixth part is accepted and ignored (contract/pyroscope.md §5.1).
 * @throws KilnError `invalid_argument` for any other number of parts.
 */
export function parseProfileTypeId(id: string): ProfileType {
  const parts = id.split(':');
  if (parts.length !== 5 && parts.length !== 6) {
    throw new KilnError(
      'invalid_argument',
      `invalid profile type ${JSON.stringify(id)}: found ${parts.length} ${parts.length === 1 ? 'part' : 'parts'}, want 5 separated by colons, name:sampleType:sampleUnit:periodType:periodUnit`,
    );
  }
  const [name, type, unit, periodType, periodUnit] = parts as [string, string, string, string, string];
  return { name, type, unit, periodType, periodUnit };
}
