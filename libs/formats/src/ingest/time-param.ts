const NANOS_PER_SECOND = 1_000_000_000n;
const unitSeconds: readonly (readonly [RegExp, bigint])[] = [
  [/^(M|mon)/, 30n * 86_400n],
  [/^s/, 1n],
  [/^m/, 60n],
  [/^h/, 3_600n],
  [/^d/, 86_400n],
  [/^w/, 7n * 86_400n],
  [/^y/, 365n * 86_400n],
];

/**
 * Reads `from` and `until` (contract/pyroscope.md §5.10) as Unix nanoseconds. There is no error case: nonsense means now.
 * All digits: 8 forming a date are that UTC day, 13 milliseconds, 16 microseconds, 19 nanoseconds, any other length seconds. Else `now-1h30m`.
 */
export function parseTimeParam(text: string | undefined, nowNanos: bigint): bigint {
  const cleaned = (text ?? '').replaceAll(/[ _,]/g, '');
  if (/^\d+$/.test(cleaned) && cleaned.length <= 19) return fromDigits(cleaned);
  const sign = cleaned.search(/[+-]/);
  if (sign < 0) return nowNanos;
  let offset = 0n;
  for (const [, digits, unit] of cleaned.slice(sign + 1).matchAll(/(\d{1,12})([A-Za-z]*)/g)) {
    const seconds = unitSeconds.find(([form]) => form.test(unit!))?.[1] ?? 0n;
    offset += BigInt(digits!) * seconds * NANOS_PER_SECOND;
  }
  return cleaned[sign] === '-' ? nowNanos - offset : nowNanos + offset;
}

/**
 * As `parseTimeParam`, for who refuses what that takes for now: undefined for a text that means nothing. Eight digits are a day or nothing: as seconds they
 * would lie before 1974.
 */
export function readTimeParam(text: string, nowNanos: bigint): bigint | undefined {
  const cleaned = text.replaceAll(/[ _,]/g, '');
  const isTime = /^\d{8}$/.test(cleaned) ? dayOf(cleaned) !== undefined : TIME.test(cleaned);
  return isTime ? parseTimeParam(cleaned, nowNanos) : undefined;
}

/** An offset from now, or digits in a number that means something. */
const TIME =
  /^(now([-+](\d{1,12}(s(ec(ond)?s?)?|m(in(ute)?s?)?|h(ours?)?|d(ays?)?|w(eeks?)?|M|mon(ths?)?|y(ears?)?))+)?|\d{1,12}|\d{13}|\d{16}|\d{19})$/;

/** Forms that `readTimeParam` takes, for who is told that a text has none of them. */
export const TIME_FORMS =
  'now, now-1h30m (s m h d w M y), Unix seconds, milliseconds (13 digits), microseconds (16), nanoseconds (19), or a day YYYYMMDD';

function fromDigits(digits: string): bigint {
  const value = BigInt(digits);
  const day = digits.length === 8 ? dayOf(digits) : undefined;
  if (day !== undefined) return BigInt(day.getTime()) * 1_000_000n;
  if (digits.length === 13) return value * 1_000_000n;
  if (digits.length === 16) return value * 1_000n;
  if (digits.length === 19) return value;
  return value * NANOS_PER_SECOND;
}

/** Midnight of a day `YYYYMMDD` after 1900, UTC; undefined when there is no such day. */
function dayOf(digits: string): Date | undefined {
  const [year, month, day] = [digits.slice(0, 4), digits.slice(4, 6), digits.slice(6)];
  const date = new Date(`${year}-${month}-${day}T00:00:00Z`);
  return Number(year) > 1900 && !Number.isNaN(date.getTime()) && date.getUTCDate() === Number(day) ? date : undefined;
}
