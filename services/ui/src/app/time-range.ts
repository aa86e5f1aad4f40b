/** A stretch of time, both ends inclusive, Unix milliseconds. */
export interface TimeRange {
  readonly fromMs: number;
  readonly untilMs: number;
}

/** What a range without an end or a beginning is. */
export const RECENT = { from: 'now-1h', until: 'now' } as const;

const UNITS: Readonly<Record<string, number>> = {
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 604_800_000,
  M: 2_592_000_000,
  y: 31_536_000_000,
};

/** Steps of the timeline in milliseconds; each is a multiple of the one before, so that a range of whole steps stays one when zoomed. */
const STEPS = [15, 30, 60, 300, 900, 1800, 3600, 10_800, 21_600, 86_400, 604_800].map((seconds) => seconds * 1000);
const MOST_STEPS = 180;

/**
 * Reads a time of an address as the API does (docs/api.md): `now`, `now-1h30m`, Unix seconds to nanoseconds, or a day `YYYYMMDD`, which
 * begins at midnight UTC. In milliseconds; undefined when it is none of them.
 */
export function readTime(text: string, nowMs: number): number | undefined {
  const trimmed = text.trim();
  if (DIGITS.test(trimmed)) return fromDigits(trimmed);
  const [, sign, offset] = OFFSET.exec(trimmed) ?? [];
  if (sign === undefined) return trimmed === 'now' ? nowMs : undefined;
  let ms = 0;
  for (const [, count, unit] of offset!.matchAll(/(\d+)([a-z]+)/gi))
    ms += Number(count) * UNITS[unit!.startsWith('mon') ? 'M' : unit!.charAt(0)]!;
  return sign === '-' ? nowMs - ms : nowMs + ms;
}

/** Units are told by a letter or by name. */
const OFFSET =
  /^now(?:([-+])((?:-?\d{1,9}(?:s(?:ec(?:ond)?s?)?|m(?:in(?:ute)?s?)?|h(?:ours?)?|d(?:ays?)?|w(?:eeks?)?|M|mon(?:ths?)?|y(?:ears?)?))+))?$/;

const DIGITS = /^(\d{1,13}|\d{16}|\d{19})$/;

/** Eight digits are a day, or nothing; of others their number tells the unit. */
function fromDigits(digits: string): number | undefined {
  const [, year, month, day] = /^(\d{4})(\d\d)(\d\d)$/.exec(digits) ?? [];
  if (year !== undefined) {
    const midnight = new Date(`${year}-${month}-${day}T00:00:00Z`);
    return midnight.getUTCDate() === Number(day) ? midnight.getTime() : undefined;
  }
  if (digits.length === 13) return Number(digits);
  if (digits.length === 16 || digits.length === 19) return Number(digits.slice(0, 13));
  return Number(digits) * 1000;
}

/** The step of a timeline over `ms` milliseconds. */
export function stepOf(ms: number): number {
  return STEPS.find((step) => ms / step <= MOST_STEPS) ?? STEPS.at(-1)!;
}

/**
 * The range of two texts. A beginning that is counted back from now is moved back to the edge of a step, so that the bars of a timeline are
 * the sum of what the range holds, and do not change with every second.
 * @returns a sentence when one of them is no time, or the end lies before the beginning.
 */
export function resolveRange(from: string, until: string, nowMs: number): TimeRange | string {
  const start = readTime(from, nowMs);
  const untilMs = readTime(until, nowMs);
  if (start === undefined) return wrongTime('from', from);
  if (untilMs === undefined) return wrongTime('until', until);
  if (untilMs <= start) return `The range ends (${stamp(untilMs)}) before it begins (${stamp(start)}).`;
  const step = stepOf(untilMs - start);
  return { fromMs: from.startsWith('now') ? Math.floor(start / step) * step + 1 : start, untilMs };
}

function wrongTime(name: string, text: string): string {
  return `“${name}” is ${JSON.stringify(text.slice(0, 60))}: want now, now-1h30m (s m h d w M y), Unix seconds, milliseconds (13 digits), microseconds (16), nanoseconds (19), or a day YYYYMMDD.`;
}

/** `2026-11-29 18:03:20`, local time. */
export function stamp(ms: number): string {
  const date = new Date(ms);
  if (Number.isNaN(date.getTime())) return String(ms);
  const two = (value: number): string => String(value).padStart(2, '0');
  const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
  return `${day} ${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
}

/** Reads what `stamp` writes, also without seconds or time; undefined when it is none. */
export function readStamp(text: string): number | undefined {
  const found = /^(\d{4})-(\d\d)-(\d\d)(?:[ T](\d\d):(\d\d)(?::(\d\d))?)?$/.exec(text.trim());
  if (found === null) return undefined;
  const [year, month, day, hour = 0, minute = 0, second = 0] = found.slice(1).map((part) => Number(part ?? 0));
  const date = new Date(year!, month! - 1, day, hour, minute, second);
  return date.getMonth() === month! - 1 && date.getDate() === day ? date.getTime() : undefined;
}

/** What a picker shows of a range: `Last 1 hour`, or its two ends. */
export function rangeText(from: string, until: string): string {
  // However it is written: an hour is `now-1h`, `now-60m` or Grafana's `now-1hour`.
  const length = until === 'now' && from.startsWith('now-') ? readTime(from, 0) : undefined;
  const known = length === undefined ? undefined : QUICK_RANGES.find((range) => readTime(range.from, 0) === length);
  if (known !== undefined) return known.text;
  if (until === 'now' && from.startsWith('now-')) return `Last ${from.slice(4)}`;
  return `${shownTime(from)} – ${shownTime(until)}`;
}

/** A time of an address for people: a point in time as a stamp, all else as it is. */
export function shownTime(text: string): string {
  const ms = text.startsWith('now') ? undefined : readTime(text, 0);
  return ms === undefined ? text : stamp(ms);
}

/** The ranges of the picker. */
export const QUICK_RANGES: readonly { readonly from: string; readonly text: string }[] = [
  { from: 'now-5m', text: 'Last 5 minutes' },
  { from: 'now-15m', text: 'Last 15 minutes' },
  { from: 'now-1h', text: 'Last 1 hour' },
  { from: 'now-3h', text: 'Last 3 hours' },
  { from: 'now-6h', text: 'Last 6 hours' },
  { from: 'now-12h', text: 'Last 12 hours' },
  { from: 'now-1d', text: 'Last 24 hours' },
  { from: 'now-2d', text: 'Last 2 days' },
  { from: 'now-7d', text: 'Last 7 days' },
  { from: 'now-30d', text: 'Last 30 days' },
];

/** `3 min ago`; of what lies ahead `just now`. */
export function agoText(ms: number): string {
  if (ms < 60_000) return 'just now';
  if (ms < 3_600_000) return `${Math.floor(ms / 60_000)} min ago`;
  if (ms < 86_400_000) return `${Math.floor(ms / 3_600_000)} h ago`;
  return `${Math.floor(ms / 86_400_000)} d ago`;
}
