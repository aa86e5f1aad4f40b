import { CorruptDataError } from '@kiln/bytes';
import { MODE_COLUMNS, MODE_SPLIT, MODE_WIDE, readPageHeader, unknownMode } from './page-layout.ts';
import { behind, getVarint } from './varints.ts';

/** How many samples the rows of a page have, from their heads alone. */
export function countSamples(bytes: Uint8Array): number {
  const { rows, types, h, a } = readPageHeader(bytes);
  let at = h;
  let samples = 0;
  for (let row = 0; row < rows; row++) {
    const mode = at < a ? bytes[at++]! : -1;
    if (mode !== MODE_SPLIT && mode !== MODE_COLUMNS && mode !== MODE_WIDE)
      throw new CorruptDataError('page', at, unknownMode(mode));
    const numbers = mode === MODE_SPLIT ? types + 2 : mode === MODE_COLUMNS ? types + 1 : 1;
    for (let i = 0; i < numbers; i++) {
      const value = getVarint(bytes, at, a);
      at = behind;
      if (mode === MODE_SPLIT ? i >= types : i === 0) samples += value;
    }
  }
  return samples;
}
