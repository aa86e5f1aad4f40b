import type { ValueType } from '@kiln/model';
import type { SeriesLabels } from './labels.ts';
import { KEPT, NEGATIVE, textOf, ZERO, type Pprof } from './pprof/pprof.ts';
import type { ValueColumns } from './sample-groups.ts';

/** The value types of a profile that are kept, and the column of each of the file's. */
export interface KeptTypes {
  readonly types: readonly ValueType[];
  readonly columns: ValueColumns;
}

/** Types with the period type they were sampled by; a type that the file names twice is one, one that rules drop has no column. */
export function keptTypes(pprof: Pprof, series: SeriesLabels): KeptTypes {
  const { periodType, sampleTypes } = pprof;
  const period = {
    periodType: periodType === undefined ? '' : textOf(pprof, periodType.type),
    periodUnit: periodType === undefined ? '' : textOf(pprof, periodType.unit),
  };
  const types: ValueType[] = [];
  const of = new Int32Array(sampleTypes.length);
  const known = new Map<string, number>();
  for (const [i, sampleType] of sampleTypes.entries()) {
    const type = textOf(pprof, sampleType.type);
    const unit = textOf(pprof, sampleType.unit);
    const key = `${type.length}:${type}${unit}`;
    let column = known.get(key);
    if (column === undefined) {
      column = series.keepsType(type, unit) ? types.push({ type, unit, ...period }) - 1 : -1;
      known.set(key, column);
    }
    of[i] = column;
  }
  return { types, columns: { of, names: types.map(({ type, unit }) => `${type}/${unit}`) } };
}

/** What becomes of samples by the values of the types that are kept: `state` as the reader finds it by all. */
export function stateByTypes({ samples, sampleTypes }: Pprof, { of }: ValueColumns): Uint8Array {
  const { length, lo, hi } = samples;
  const types = sampleTypes.length;
  const state = new Uint8Array(length).fill(ZERO);
  for (let sample = 0; sample < length; sample++) {
    for (let type = 0; type < types; type++) {
      if (of[type]! < 0) continue;
      const at = sample * types + type;
      const high = hi === undefined ? 0 : hi[at]!;
      if (high < 0) state[sample] = NEGATIVE;
      else if ((high > 0 || lo[at]! > 0) && state[sample] === ZERO) state[sample] = KEPT;
    }
  }
  return state;
}
