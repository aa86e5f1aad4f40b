import { parseDuration } from '@kiln/config';

/** Digits by their number: seconds up to 10, milliseconds up to 13, microseconds up to 16, nanoseconds up to 19. */
const digitUnits: readonly (readonly [number, number])[] = [
  [10, 1e3],
  [13, 1],
  [16, 1e-3],
  [19, 1e-6],
];

/** Unix milliseconds of `now`, `now-1h30m`, RFC 3339, or digits in s, ms, µs or ns; undefined when it is none. */
export function parseTime(text: string, nowMs: number): number | undefined {
  if (text === 'now') return nowMs;
  const relative = /^now([+-])(.+)$/.exec(text);
  if (relative !== null) {
    const ms = parseDuration(relative[2]!);
    return ms === undefined ? undefined : relative[1] === '-' ? nowMs - ms : nowMs + ms;
  }
  if (/^\d+$/.test(text)) {
    const scale = digitUnits.find(([digits]) => text.length <= digits)?.[1];
    return scale === undefined ? undefined : Math.floor(Number(text) * scale);
  }
  if (!/^\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}:\d{2})?)?$/.test(text)) return undefined;
  const ms = Date.parse(text);
  return Number.isNaN(ms) ? undefined : ms;
}
