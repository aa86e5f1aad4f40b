/*
 * Whole-number questions about columns of doubles below 2^52. A quotient that is whole is computed exactly, and the product of a whole quotient with
 * its divisor stays below 2^53, so `q * d === v` with q = round(v / d) is true exactly when d divides v. `%` of doubles would be a library call.
 */

/** The ratio column / base at the first sample where base is not 0: whole and >= 0, else -1. 0 when base is 0 everywhere. */
export function integerRatio(base: Float64Array, column: Float64Array, length: number): number {
  let first = 0;
  while (first < length && base[first] === 0) first++;
  if (first === length) return 0;
  const divisor = base[first]!;
  const value = column[first]!;
  const ratio = Math.round(value / divisor);
  return ratio * divisor === value ? ratio : -1;
}

/** Whether column = ratio * base at every sample. Hot: once per sample. */
export function isMultiple(base: Float64Array, column: Float64Array, ratio: number, length: number): boolean {
  for (let i = 0; i < length; i++) if (base[i]! * ratio !== column[i]!) return false;
  return true;
}

/** The greatest whole number that divides every value; 0 when all are 0. Hot: once per sample until it is 1. */
export function commonScale(column: Float64Array, length: number): number {
  let scale = 0;
  for (let i = 0; i < length; i++) {
    const value = column[i]!;
    if (value === scale || value === 0) continue;
    if (scale === 0 || Math.round(value / scale) * scale !== value) {
      scale = greatestDivisor(value, scale);
      if (scale === 1) return 1;
    }
  }
  return scale;
}

function greatestDivisor(a: number, b: number): number {
  let [x, y] = [a, b];
  while (y !== 0) [x, y] = [y, x % y];
  return x;
}
