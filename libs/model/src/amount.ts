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

/** Units of time in nanoseconds. */
const nanosOf: Readonly<Record<string, number>> = {
  nanoseconds: 1,
  microseconds: 1e3,
  milliseconds: 1e6,
  seconds: 1e9,
};

/** A value with its unit, for people: `12.3 s`, `4.0 MiB`, `1,234 samples`. */
export function amountText(value: bigint | number, unit: string): string {
  const nanos = nanosOf[unit];
  const steps = nanos !== undefined ? nanoSteps : unit === 'bytes' ? byteSteps : [];
  const amount = Number(value) * (nanos ?? 1);
  for (const [size, name] of steps) if (amount >= size) return `${(amount / size).toFixed(1)} ${name}`;
  const short = unit === 'nanoseconds' ? 'ns' : unit === 'count' ? '' : unit;
  if (typeof value === 'number' && value % 1 !== 0 && value < 100)
    return `${Number(value.toFixed(2))} ${short}`.trimEnd();
  const whole = typeof value === 'number' ? BigInt(Math.round(value)) : value;
  return `${whole.toString().replaceAll(/\B(?=(\d{3})+$)/g, ',')} ${short}`.trimEnd();
}
