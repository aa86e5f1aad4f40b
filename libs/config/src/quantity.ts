const unitMs: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 604_800_000,
  y: 31_536_000_000,
};

const unitBytes: Readonly<Record<string, number>> = {
  '': 1,
  b: 1,
  kb: 1e3,
  mb: 1e6,
  gb: 1e9,
  tb: 1e12,
  kib: 2 ** 10,
  mib: 2 ** 20,
  gib: 2 ** 30,
  tib: 2 ** 40,
};

/** How durations and sizes are written, whether or not they can be held. */
export const DURATION: RegExp = /^(\d+(\.\d+)?(ms|s|m|h|d|w|y))+$/;
export const BYTES: RegExp = /^(\d+(?:\.\d+)?) ?([kmgt]i?b|b|)$/i;

/** Milliseconds of `1h30m`, `15s`, `500ms`, `7d`, `1.5h`, `1y2w3d`, where a year is 365 days, `0`; undefined when it is none, or more than 2^53. */
export function parseDuration(text: string): number | undefined {
  if (text === '0') return 0;
  if (!DURATION.test(text)) return undefined;
  let total = 0;
  for (const [, number, , unit] of text.matchAll(/(\d+(\.\d+)?)(ms|s|m|h|d|w|y)/g))
    total += Number(number) * unitMs[unit!]!;
  return Number.isSafeInteger(Math.round(total)) ? Math.round(total) : undefined;
}

/** The shortest text that `parseDuration` reads back as `ms`: `1h30m`, `30d`. */
export function formatDuration(ms: number): string {
  if (ms === 0) return '0s';
  let left = ms;
  let text = '';
  for (const unit of ['d', 'h', 'm', 's', 'ms']) {
    const size = unitMs[unit]!;
    if (left >= size) text += `${Math.floor(left / size)}${unit}`;
    left %= size;
  }
  return text;
}

/** Bytes of `64MiB`, `64MB`, `1.5GiB`, `4096`; undefined when it is none, or more than 2^53. */
export function parseBytes(text: string): number | undefined {
  const match = BYTES.exec(text);
  const scale = match === null ? undefined : unitBytes[match[2]!.toLowerCase()];
  if (match === null || scale === undefined) return undefined;
  const bytes = Math.round(Number(match[1]) * scale);
  return Number.isSafeInteger(bytes) ? bytes : undefined;
}

/** `64MiB` where it comes out even, else plain bytes; `parseBytes` reads it back exactly. */
export function formatBytes(bytes: number): string {
  for (const unit of ['TiB', 'GiB', 'MiB', 'KiB']) {
    const scale = unitBytes[unit.toLowerCase()]!;
    if (bytes >= scale && bytes % scale === 0) return `${bytes / scale}${unit}`;
  }
  return String(bytes);
}
