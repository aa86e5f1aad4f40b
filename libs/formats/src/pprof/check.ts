import { KilnError } from '@kiln/model';
import type { ProfileLimits } from '../limits.ts';
import { textOf, type Pprof } from './pprof.ts';
import { malformed } from './wire.ts';

/**
 * Checks a decoded pprof by contract/pyroscope.md §4.3, in its order.
 * @param view over the bytes of the pprof.
 * @returns the time to store it under: its own, or when it was received.
 * @throws KilnError `invalid_argument` with a reason of §4.3.
 */
export function checkPprof(pprof: Pprof, view: DataView, limits: ProfileLimits, receivedMs: number): bigint {
  checkHasTypes(pprof);
  const timeNanos = checkTime(pprof.timeNanos, limits, receivedMs);
  checkSizes(pprof, limits);
  checkIds(pprof.locations, 'location');
  checkIds(pprof.functions, 'function');
  const strings = pprof.strings.length;
  if (strings === 0) throw malformed('string table is empty: string 0 should be empty string');
  if (pprof.strings.from[0] !== pprof.strings.to[0]) {
    throw malformed(`string 0 should be empty string: found ${JSON.stringify(show(pprof, 0))}`);
  }
  checkTypeRows(pprof);
  checkSampleLabels(pprof);
  const { functions: f, mappings: m } = pprof;
  // Where the reference reads a negative row as the empty string, so does Kiln.
  checkRows(f.name, f.length, 'function name', strings);
  checkRows(f.systemName, f.length, 'function system name', strings);
  checkRows(f.fileName, f.length, 'function file name', strings);
  checkRows(m.fileName, m.length, 'mapping file name', strings);
  checkRows(m.buildId, m.length, 'mapping build id', strings);
  checkUtf8(pprof, view);
  for (const { type } of pprof.sampleTypes) {
    const text = textOf(pprof, type);
    if (text.includes('-'))
      throw malformed(`sample type ${JSON.stringify(text.slice(0, 80))} contains "-", which is not allowed`);
  }
  return timeNanos;
}

/** That there are sample types which can be read. @throws KilnError as `checkPprof`. */
export function checkSampleTypes(pprof: Pprof): void {
  checkHasTypes(pprof);
  checkTypeRows(pprof);
}

function checkHasTypes({ sampleTypes }: Pprof): void {
  if (sampleTypes.length === 0) throw malformed('profile has no sample type: at least one is needed');
}

function checkTypeRows({ sampleTypes, strings: { length } }: Pprof): void {
  for (const { type, unit } of sampleTypes) {
    if (type < 0 || type >= length) throw outOfRange('sample type type', type, length);
    if (unit < 0 || unit >= length) throw outOfRange('sample type unit', unit, length);
  }
}

function checkTime(
  timeNanos: bigint,
  { rejectOlderThanMs, rejectNewerThanMs, rejectOlderThanName = 'reject_older_than' }: ProfileLimits,
  receivedMs: number,
): bigint {
  const receivedNanos = BigInt(receivedMs) * 1_000_000n;
  if (timeNanos <= 0n) return receivedNanos;
  const oldest = receivedNanos - BigInt(rejectOlderThanMs) * 1_000_000n;
  const newest = receivedNanos + BigInt(rejectNewerThanMs) * 1_000_000n;
  if (rejectOlderThanMs > 0 && timeNanos <= oldest) {
    throw outsideWindow(timeNanos, `older than allowed, ${showTime(oldest)}`, rejectOlderThanName, rejectOlderThanMs);
  }
  if (rejectNewerThanMs > 0 && timeNanos >= newest) {
    throw outsideWindow(timeNanos, `newer than allowed, ${showTime(newest)}`, 'reject_newer_than', rejectNewerThanMs);
  }
  return timeNanos;
}

/** The flag of each limit on the time of a profile. */
const timeFlags = {
  reject_older_than: 'validation.reject-older-than',
  reject_newer_than: 'validation.reject-newer-than',
  retention_period: 'retention-period',
} as const;

function outsideWindow(timeNanos: bigint, why: string, limit: keyof typeof timeFlags, limitMs: number): KilnError {
  const setting = `${limit} is ${showDuration(limitMs)}, flag --${timeFlags[limit]}`;
  return new KilnError(
    'invalid_argument',
    `profile time ${showTime(timeNanos)} is outside the ingestion window: ${why} (${setting})`,
    { reason: 'not_in_ingestion_window' },
  );
}

function showTime(nanos: bigint): string {
  const date = new Date(Number(nanos / 1_000_000n));
  return Number.isNaN(date.getTime()) ? `${nanos} ns` : date.toISOString();
}

/** `30d`, `90m`: in the largest unit that it is whole in, as settings are written. */
function showDuration(ms: number): string {
  const [unit, size] = durations.find(([, each]) => ms % each === 0) ?? ['ms', 1];
  return `${ms / size}${unit}`;
}

const durations: readonly (readonly [string, number])[] = [
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['m', 60_000],
  ['s', 1_000],
];

function checkSizes({ bytes, samples }: Pprof, limits: ProfileLimits): void {
  if (limits.maxProfileSizeBytes > 0 && bytes.length > limits.maxProfileSizeBytes) {
    throw new KilnError(
      'invalid_argument',
      `profile too large: ${bytes.length} bytes uncompressed, limit ${limits.maxProfileSizeBytes} (max_profile_size_bytes)`,
      { reason: 'profile_size_limit' },
    );
  }
  if (limits.maxStacktraceSamples > 0 && samples.length > limits.maxStacktraceSamples) {
    throw new KilnError(
      'invalid_argument',
      `profile has too many samples: ${samples.length}, limit ${limits.maxStacktraceSamples} (max_profile_stacktrace_samples)`,
      { reason: 'samples_limit' },
    );
  }
  const most = limits.maxStacktraceSampleLabels;
  for (let sample = 0; most > 0 && sample < samples.length; sample++) {
    const labels = samples.labelStart[sample + 1]! - samples.labelStart[sample]!;
    if (labels > most) {
      throw new KilnError(
        'invalid_argument',
        `sample ${sample} has too many labels: ${labels}, limit ${most} (max_profile_stacktrace_sample_labels)`,
        { reason: 'sample_labels_limit' },
      );
    }
  }
}

function checkIds({ length, idLo, idHi }: { length: number; idLo: Int32Array; idHi: Int32Array }, what: string): void {
  for (let row = 0; row < length; row++) {
    if ((idLo[row]! | idHi[row]!) === 0) throw malformed(`${what} id is 0: found in ${what} ${row}, ids start at 1`);
  }
}

function checkRows(rows: Int32Array, length: number, what: string, strings: number): void {
  for (let i = 0; i < length; i++) if (rows[i]! >= strings) throw outOfRange(what, rows[i]!, strings);
}

function checkSampleLabels({ samples, strings }: Pprof): void {
  const { labelKey, labelText } = samples;
  const labels = samples.labelStart[samples.length]!;
  for (let label = 0; label < labels; label++) {
    const key = labelKey[label]!;
    const text = labelText[label]!;
    if (text < 0 || text >= strings.length) throw outOfRange('sample label', text, strings.length);
    if (key < 0 || key >= strings.length) throw outOfRange('sample label', key, strings.length);
  }
}

function outOfRange(what: string, row: number, strings: number): Error {
  const found = row < 0 ? 'a negative one' : row === 0x7fffffff ? '2^31 or more' : String(row);
  return malformed(`${what} string index out of range: found ${found}, the string table has ${strings}`);
}

/** Strings stand in the order of the file, mostly side by side: when all bytes from the first to the last are ASCII, so is every string. */
function checkUtf8({ bytes, strings }: Pprof, view: DataView): void {
  if (strings.length < 2 || isAscii(view, strings.from[1]!, strings.to[strings.length - 1]!)) return;
  for (let row = 1; row < strings.length; row++) {
    const from = strings.from[row]!;
    const to = strings.to[row]!;
    if (isAscii(view, from, to)) continue;
    try {
      strict.decode(bytes.subarray(from, to));
    } catch {
      const shown = bytes.subarray(from, Math.min(to, from + 64));
      throw malformed(`string ${row} is not valid UTF-8: ${Array.from(shown, hex).join('')}`);
    }
  }
}

/** Hot: once per eight bytes of all strings. */
function isAscii(view: DataView, from: number, to: number): boolean {
  let high = 0;
  let at = from;
  for (; at + 8 <= to; at += 8) high |= view.getInt32(at, true) | view.getInt32(at + 4, true);
  for (; at < to; at++) high |= view.getUint8(at);
  return (high & 0x80808080) === 0;
}

function hex(byte: number): string {
  return byte.toString(16).padStart(2, '0');
}

function show({ bytes, strings }: Pprof, row: number): string {
  return new TextDecoder().decode(
    bytes.subarray(strings.from[row], Math.min(strings.to[row]!, strings.from[row]! + 80)),
  );
}

const strict = new TextDecoder('utf-8', { ignoreBOM: true, fatal: true });
