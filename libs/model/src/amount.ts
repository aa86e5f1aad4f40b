const nanoSteps: readonly (readonly [number, string])[] = [
  [60e9, 'min'],
  [1e9, 's'],
  [1e6, 'ms'],
  [1e3, 'µs'],
];
const byteSteps: readonly (readonly [number, string])[] = [
  [2 ** 40, 'TiB'],
  [2 ** 30, 'GiB'],
  [2 ** 20, 'MiB'],
  [2 ** 10, 'KiB'],
];

/** Nanoseconds of the units of time that profiles come in. */
const nanosOf = new Map([
  ['nanoseconds', 1],
  ['microseconds', 1e3],
  ['milliseconds', 1e6],
  ['seconds', 1e9],
]);

/** A value with its unit, for people: `12.3 s`, `4.0 MiB`, `1,234 samples`. */
export function amountText(value: bigint | number, unit: string): string {
  const nanos = nanosOf.get(unit);
  if (nanos !== undefined)
    return stepText(typeof value === 'bigint' ? value * BigInt(nanos) : value * nanos, nanoSteps, 'ns');
  return stepText(value, unit === 'bytes' ? byteSteps : [], unit === 'count' ? '' : unit);
}

function stepText(value: bigint | number, steps: readonly (readonly [number, string])[], unit: string): string {
  for (const [size, name] of steps) if (Number(value) >= size) return `${(Number(value) / size).toFixed(1)} ${name}`;
  if (typeof value === 'number' && value % 1 !== 0 && value < 100)
    return `${Number(value.toFixed(2))} ${unit}`.trimEnd();
  const whole = typeof value === 'number' ? BigInt(Math.round(value)) : value;
  return `${whole.toString().replaceAll(/\B(?=(\d{3})+$)/g, ',')} ${unit}`.trimEnd();
}
