import { DURATION, parseDuration } from '@kiln/config';

/** Times are understood up to here, 9999-12-31T23:59:59.999Z. */
const LAST_MS = 253_402_300_799_999;

/** Digits by their number: seconds up to 10, milliseconds up to 13, microseconds up to 16, nanoseconds up to 19. */
const digitUnits: readonly (readonly [number, number])[] = [
  [10, 1e3],
  [13, 1],
  [16, 1e-3],
  [19, 1e-6],
];

/**
 * Unix milliseconds of `now`, `now-1h30m`, RFC 3339, or digits in s, ms, µs or ns; a date or time without a zone is UTC, as everywhere in the API.
 * Undefined when it is none, NaN when it is one outside of 1970 to 9999.
 */
export function parseTime(text: string, nowMs: number): number | undefined {
  const ms = parseAny(text, nowMs);
  return ms === undefined || (ms > 0 && ms <= LAST_MS) ? ms : Number.NaN;
}

function parseAny(text: string, nowMs: number): number | undefined {
  if (text === 'now') return nowMs;
  const relative = /^now([+-])(.+)$/.exec(text);
  if (relative !== null) {
    const ms = parseDuration(relative[2]!);
    if (ms === undefined) return DURATION.test(relative[2]!) ? Number.NaN : undefined;
    return relative[1] === '-' ? nowMs - ms : nowMs + ms;
  }
  if (/^\d+$/.test(text)) {
    const scale = digitUnits.find(([digits]) => text.length <= digits)?.[1];
    return scale === undefined ? undefined : Math.floor(Number(text) * scale);
  }
  if (!/^\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}:\d{2})?)?$/.test(text)) return undefined;
  // ECMAScript takes a date without a zone as UTC, but a date with a time as local.
  const ms = Date.parse(/T[\d:.]+$/.test(text) ? `${text}Z` : text);
  return Number.isNaN(ms) ? undefined : ms;
}
