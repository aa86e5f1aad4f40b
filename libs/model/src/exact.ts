/**
 * Exact non-negative integers as two doubles: value = hi * 2^52 + lo, with 0 <= lo < 2^52. Sums stay exact up to 2^104 and
 * the common case (hi = 0) costs one addition and one comparison (design: engine.md §5).
 */
export const SPILL = 4503599627370496;

/** int64 ends here: a value with `hi >= INT64_HI` is above 2^63 - 1. */
export const INT64_HI = 2048;

/** A column of exact integers. `hi` is absent while every value is below 2^52. */
export interface ExactColumn {
  readonly lo: Float64Array;
  readonly hi: Float64Array | undefined;
}

/** Sums by row number: `add` carries from lo to hi. Rows start at zero. */
export class ExactSums {
  readonly lo: Float64Array;
  readonly hi: Float64Array;

  constructor(length: number) {
    this.lo = new Float64Array(length);
    this.hi = new Float64Array(length);
  }

  /** Hot: once per sample. Both parts normal (lo below 2^52). */
  add(row: number, lo: number, hi: number): void {
    let sum = this.lo[row]! + lo;
    let carry = hi;
    if (sum >= SPILL) {
      sum -= SPILL;
      carry += 1;
    }
    this.lo[row] = sum;
    if (carry !== 0) this.hi[row] = this.hi[row]! + carry;
  }

  get(row: number): bigint {
    return exactToBigInt(this.lo[row]!, this.hi[row]!);
  }
}

/** The value as a bigint. For borders, not for loops. */
export function exactToBigInt(lo: number, hi: number): bigint {
  return hi === 0 ? BigInt(lo) : (BigInt(hi) << 52n) + BigInt(lo);
}

/** A non-negative bigint as its two parts. */
export function exactFromBigInt(value: bigint): { lo: number; hi: number } {
  return { lo: Number(value & 0xfffffffffffffn), hi: Number(value >> 52n) };
}
