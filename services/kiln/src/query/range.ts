import { systemClock } from '@kiln/async';
import { ConfigError, setting, type SettingsFor } from '@kiln/config';
import { timeText } from '../table-text.ts';
import { parseTime } from '../time-text.ts';

interface RangeFlags {
  readonly from: string;
  readonly to: string;
}

/** `--from` and `--to`, the same for every question. */
export const rangeSettings: SettingsFor<RangeFlags> = {
  from: setting({
    key: 'from',
    yaml: null,
    type: 'string',
    default: 'now-1h',
    meaning:
      'Start: now-1h30m (s m h d w M y), 2026-11-25T10:00:00Z, 2026-11-25, or Unix seconds, milliseconds, microseconds or nanoseconds; without a zone it is UTC',
  }),
  to: setting({
    key: 'to',
    yaml: null,
    type: 'string',
    default: 'now',
    meaning: 'End, inclusive; written like --from',
  }),
};

/** Unix milliseconds, both ends inclusive. */
export interface Range {
  readonly startMs: number;
  readonly endMs: number;
}

/** @throws ConfigError for a time that is none, and for a start after the end. */
export function rangeOf({ from, to }: RangeFlags): Range {
  const nowMs = systemClock().nowMs();
  const startMs = timeOf('--from', from, nowMs);
  const endMs = timeOf('--to', to, nowMs);
  if (startMs > endMs)
    throw new ConfigError(`--from ${asUnderstood(from, startMs)} lies after --to ${asUnderstood(to, endMs)}`);
  return { startMs, endMs };
}

/** `2026-11-25T10:00:00Z to 2026-11-25T11:00:00Z` */
export function rangeText({ startMs, endMs }: Range): string {
  return `${timeText(startMs)} to ${timeText(endMs)}`;
}

/** What to try when nothing was found; '' when it would look no further back. */
export function furtherBack({ startMs }: Range): string {
  return startMs > systemClock().nowMs() - DAY_MS ? '--from now-24h looks further back' : '';
}

const DAY_MS = 86_400_000;

/** One line of those that there are. */
export function hints(...each: readonly string[]): string {
  return each.filter((one) => one !== '').join('; ');
}

/** `now-1h (2026-11-25T10:00:00Z)` */
function asUnderstood(text: string, ms: number): string {
  return timeText(ms) === text ? text : `${text} (${timeText(ms)})`;
}

function timeOf(flag: string, value: string, nowMs: number): number {
  const ms = parseTime(value, nowMs);
  if (Number.isNaN(ms))
    throw new ConfigError(`${flag} is ${JSON.stringify(value)}, must lie between 1970-01-01 and 9999-12-31`);
  if (ms !== undefined) return ms;
  throw new ConfigError(
    `${flag} is ${JSON.stringify(value)}, must be like now-1h, 2026-11-25T10:00:00Z (without a zone it is UTC) or Unix seconds`,
  );
}
