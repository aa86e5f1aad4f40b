import { amountText } from '@kiln/model';

/** What the integers of a tree or a table count. */
export interface Values {
  /** For example `nanoseconds`. */
  readonly unit: string;
  /** So many make one unit: 1, or 1,000 for averages, which are told to three decimals. */
  readonly scale: 1 | 1_000;
}

/** For people: `1.5 MiB`. */
export function valueText(value: bigint, { unit, scale }: Values): string {
  return amountText(scale === 1 ? value : Number(value) / scale, unit);
}

/** Digit by digit: `1.5`. */
export function valueDigits(value: bigint, { scale }: Pick<Values, 'scale'>): string {
  if (scale === 1) return String(value);
  const rest = String(value % 1_000n)
    .padStart(3, '0')
    .replace(/0+$/, '');
  return `${value / 1_000n}${rest === '' ? '' : `.${rest}`}`;
}

/** The inverse of `valueDigits`. @throws SyntaxError for what is no number with so many decimals. */
export function valueOf(digits: string | number, { scale }: Pick<Values, 'scale'>): bigint {
  if (scale === 1) return BigInt(digits);
  const [whole, rest = ''] = String(digits).split('.');
  return BigInt(`${whole}${rest.padEnd(3, '0')}`);
}
