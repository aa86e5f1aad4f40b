import { SPILL } from '@kiln/model';
import { KEPT, ZERO, type Pprof } from './pprof/pprof.ts';

const NONE = new Int32Array(0);
const TWO = new Int32Array(2);

/**
 * A profile without its stacks and the labels of its samples: one sample with the sums of their values (contract/pyroscope.md §4.1 step 5). Samples with a
 * negative value count for nothing, as in a whole profile.
 */
export function stripPprof(pprof: Pprof): Pprof {
  const types = pprof.sampleTypes.length;
  const { length, state, lo, hi } = pprof.samples;
  const sumLo = new Float64Array(types);
  const sumHi = new Float64Array(types);
  let kept = 0;
  for (let sample = 0; sample < length; sample++) {
    if (state[sample] !== KEPT) continue;
    kept++;
    for (let type = 0; type < types; type++) {
      const at = sample * types + type;
      const sum = sumLo[type]! + lo[at]!;
      const carry = sum >= SPILL ? 1 : 0;
      sumLo[type] = sum - carry * SPILL;
      sumHi[type] = sumHi[type]! + carry + (hi === undefined ? 0 : hi[at]!);
    }
  }
  const samples = {
    length: 1,
    path: new Int32Array(1),
    paths: { length: 1, frameStart: TWO, frame: NONE },
    lo: sumLo,
    hi: sumHi,
    state: Uint8Array.of(kept > 0 ? KEPT : ZERO),
    labelStart: TWO,
    labelKey: NONE,
    labelText: NONE,
    hasTexts: false,
  };
  return {
    ...pprof,
    samples,
    functions: { ...pprof.functions, length: 0 },
    mappings: { ...pprof.mappings, length: 0 },
    locations: { ...pprof.locations, length: 0 },
  };
}
