import { DURATION, parseDuration } from '@kiln/config';
import { readTimeParam } from '@kiln/formats';

/** Times are understood up to here, 9999-12-31T23:59:59.999Z. */
const LAST_MS = 253_402_300_799_999;
const NANOS_PER_MS = 1_000_000n;

/**
 * Unix milliseconds of what the API takes (docs/api.md), of `now-1.5h` and `now-500ms`, and of RFC 3339; a date or time without a zone is UTC, as everywhere.
 * The first millisecond of all is the second one: 0 is no time on the wire, and no profile has it. Undefined when it is none, NaN when it is one outside of
 * 1970 to 9999.
 */
export function parseTime(text: string, nowMs: number): number | undefined {
  const ms = parseAny(text, nowMs);
  return ms === undefined || (ms >= 0 && ms <= LAST_MS) ? (ms === 0 ? 1 : ms) : Number.NaN;
}

function parseAny(text: string, nowMs: number): number | undefined {
  const nanos = readTimeParam(text, BigInt(nowMs) * NANOS_PER_MS);
  if (nanos !== undefined) return Number(nanos / NANOS_PER_MS);
  const relative = /^now([+-])(.+)$/.exec(text);
  if (relative !== null) {
    const ms = parseDuration(relative[2]!);
    if (ms === undefined) return DURATION.test(relative[2]!) ? Number.NaN : undefined;
    return relative[1] === '-' ? nowMs - ms : nowMs + ms;
  }
  if (!/^\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}:\d{2})?)?$/.test(text)) return undefined;
  // ECMAScript takes a date without a zone as UTC, but a date with a time as local.
  const ms = Date.parse(/T[\d:.]+$/.test(text) ? `${text}Z` : text);
  return Number.isNaN(ms) ? undefined : ms;
}
