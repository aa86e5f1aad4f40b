/** Sizes of units, ascending, with their names; the first is what values come in. */
type Steps = readonly (readonly [size: number, name: string])[];

const nanoSteps: Steps = [
  [1, 'ns'],
  [1e3, 'µs'],
  [1e6, 'ms'],
  [1e9, 's'],
  [60e9, 'min'],
  [3600e9, 'h'],
  [86_400e9, 'd'],
  [365 * 86_400e9, 'y'],
];
const byteSteps: Steps = [
  [1, 'bytes'],
  [2 ** 10, 'KiB'],
  [2 ** 20, 'MiB'],
  [2 ** 30, 'GiB'],
  [2 ** 40, 'TiB'],
  [2 ** 50, 'PiB'],
  [2 ** 60, 'EiB'],
];

/** Nanoseconds of the units of time that profiles come in. */
const nanosOf = new Map([
  ['nanoseconds', 1],
  ['microseconds', 1e3],
  ['milliseconds', 1e6],
  ['seconds', 1e9],
]);

/** How many nanoseconds a unit is; undefined when it is none of time. */
export function nanosPerUnit(unit: string): number | undefined {
  return nanosOf.get(unit);
}

/** A value with its unit, for people: `12.3 s`, `4.0 MiB`, `1,234 samples`. A year has 365 days. */
export function amountText(value: bigint | number, unit: string): string {
  const nanos = nanosPerUnit(unit);
  if (nanos !== undefined)
    return stepText(typeof value === 'bigint' ? value * BigInt(nanos) : value * nanos, nanoSteps);
  return stepText(value, unit === 'bytes' ? byteSteps : [[1, unit === 'count' ? '' : unit]]);
}

/** In the largest unit of which it is one at least as it is written: 999,999 ns round to a whole ms, so that is what they are. */
function stepText(value: bigint | number, steps: Steps): string {
  const amount = Math.abs(Number(value));
  const at = steps.findIndex(([size], i) => {
    const next = steps[i + 1];
    const digits = i === 0 ? 0 : 1;
    return next === undefined || Number((amount / size).toFixed(digits)) * size < next[0];
  });
  const [size, name] = steps[at]!;
  return `${at === 0 ? plainText(value) : (Number(value) / size).toFixed(1)} ${name}`.trimEnd();
}

/** Whole, with commas; a small fraction with two digits. */
function plainText(value: bigint | number): string {
  if (typeof value === 'number' && value % 1 !== 0 && value < 100) return `${Number(value.toFixed(2))}`;
  const whole = typeof value === 'number' ? BigInt(Math.round(value)) : value;
  return whole.toString().replaceAll(/\B(?=(\d{3})+$)/g, ',');
}
