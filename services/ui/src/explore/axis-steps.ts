import { nanosPerUnit } from '@kiln/model';

const SECOND = 1e9;
const DAY = 86_400 * SECOND;
const YEAR = 365 * DAY;

/** In nanoseconds: whole numbers of ns, µs, ms, s, min, h, d and y, and decimal ones of each but minutes and hours. */
const TIMES = [
  ...decimals(1, SECOND),
  ...[1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200].map((s) => s * SECOND),
  ...[1, 2, 5, 10, 20, 50, 100].map((days) => days * DAY),
  ...decimals(YEAR, 1e9 * YEAR),
];
const BYTES = Array.from({ length: 64 }, (_, power) => 2 ** power);

/** The distances that ticks of an axis may have, ascending, so that they are whole numbers of what `amountText` shows values in; undefined = any. */
export function axisSteps(unit: string): number[] | undefined {
  if (unit === 'bytes') return BYTES;
  const nanos = nanosPerUnit(unit);
  return nanos === undefined ? undefined : TIMES.map((time) => time / nanos).filter((step) => Number.isInteger(step));
}

/** 1, 2 and 5 times powers of ten, from `first` on. */
function decimals(first: number, end: number): number[] {
  const steps: number[] = [];
  for (let power = first; power < end; power *= 10) steps.push(power, 2 * power, 5 * power);
  return steps;
}
