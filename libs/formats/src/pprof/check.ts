import { KilnError } from '@kiln/model';
import type { ProfileLimits } from '../limits.ts';
import type { Pprof } from './decode.ts';
import { malformed } from './wire.ts';

/**
 * Checks a decoded pprof against the limits and the rules of contract/pyroscope.md §4.3 that need no sample.
 * @returns the time to store it under.
 * @throws KilnError `invalid_argument` with a reason of §4.3.
 */
export function checkPprof(pprof: Pprof, limits: ProfileLimits, receivedMs: number): { timeNanos: bigint } {
  if (pprof.sampleTypes.length === 0) throw malformed('profile has no sample type: one is needed at least');
  const timeNanos = checkTime(pprof.timeNanos, limits, receivedMs);
  if (limits.maxProfileSizeBytes > 0 && pprof.bytes.length > limits.maxProfileSizeBytes) {
    throw new KilnError(
      'invalid_argument',
      `profile too large: ${pprof.bytes.length} bytes uncompressed, limit ${limits.maxProfileSizeBytes} (max_profile_size_bytes)`,
      { reason: 'profile_size_limit' },
    );
  }
  if (limits.maxStacktraceSamples > 0 && pprof.samples.length > limits.maxStacktraceSamples) {
    throw new KilnError(
      'invalid_argument',
      `profile has too many samples: ${pprof.samples.length}, limit ${limits.maxStacktraceSamples} (max_profile_stacktrace_samples)`,
      { reason: 'samples_limit' },
    );
  }
  checkIds(pprof.locations, 'location');
  checkIds(pprof.functions, 'function');
  checkStrings(pprof);
  for (const { type, unit } of pprof.sampleTypes) {
    checkRow(pprof, type, 'sample type type', true);
    checkRow(pprof, unit, 'sample type unit', true);
    if (textOf(pprof, type).includes('-'))
      throw malformed(`sample type ${JSON.stringify(textOf(pprof, type))} contains "-", which is not allowed`);
  }
  const { functions, mappings } = pprof;
  for (let row = 0; row < functions.length; row++) {
    checkRow(pprof, functions.name[row]!, 'function name');
    checkRow(pprof, functions.systemName[row]!, 'function system name');
    checkRow(pprof, functions.fileName[row]!, 'function file name');
  }
  for (let row = 0; row < mappings.length; row++) {
    checkRow(pprof, mappings.fileName[row]!, 'mapping file name');
    checkRow(pprof, mappings.buildId[row]!, 'mapping build id');
  }
  return { timeNanos };
}

/** The text of a string row of the file; '' for one that is negative or out of range. */
export function textOf({ bytes, strings }: Pprof, row: number): string {
  if (row < 0 || row >= strings.length) return '';
  return decoder.decode(bytes.subarray(strings.from[row]!, strings.to[row]!));
}

function checkTime(
  timeNanos: bigint,
  { rejectOlderThanMs, rejectNewerThanMs }: ProfileLimits,
  receivedMs: number,
): bigint {
  const receivedNanos = BigInt(receivedMs) * 1_000_000n;
  if (timeNanos <= 0n) return receivedNanos;
  const oldest = receivedNanos - BigInt(rejectOlderThanMs) * 1_000_000n;
  const newest = receivedNanos + BigInt(rejectNewerThanMs) * 1_000_000n;
  const tooOld = rejectOlderThanMs > 0 && timeNanos <= oldest;
  const tooNew = rejectNewerThanMs > 0 && timeNanos >= newest;
  if (!tooOld && !tooNew) return timeNanos;
  const [bound, limitMs, setting] = tooOld
    ? ['older', rejectOlderThanMs, 'reject_older_than']
    : ['newer', rejectNewerThanMs, 'reject_newer_than'];
  throw new KilnError(
    'invalid_argument',
    `profile time ${showTime(timeNanos)} is outside the ingestion window: more than ${limitMs / 1000} s ${bound} than now, ${showTime(receivedNanos)} (${setting})`,
    { reason: 'not_in_ingestion_window' },
  );
}

function showTime(nanos: bigint): string {
  const date = new Date(Number(nanos / 1_000_000n));
  return Number.isNaN(date.getTime()) ? `${nanos} ns` : date.toISOString();
}

function checkIds(
  { length, idLo, idHi }: { length: number; idLo: Uint32Array; idHi: Uint32Array },
  what: string,
): void {
  for (let row = 0; row < length; row++)
    if (idLo[row] === 0 && idHi[row] === 0) throw malformed(`${what} id is 0, in ${what} ${row}`);
}

function checkRow({ strings }: Pprof, row: number, what: string, isNegativeBad = false): void {
  // Where the reference reads a negative row as the empty string, so do we.
  if (row >= strings.length || (isNegativeBad && row < 0)) {
    throw malformed(
      `${what} string index out of range: ${row === 0x7fffffff ? 'above 2^31' : row}, the string table has ${strings.length}`,
    );
  }
}

function checkStrings({ bytes, strings }: Pprof): void {
  if (strings.length === 0) throw malformed('string table is empty: string 0 should be empty string');
  if (strings.from[0] !== strings.to[0]) throw malformed('string 0 should be empty string');
  for (let row = 1; row < strings.length; row++) {
    const from = strings.from[row]!;
    const to = strings.to[row]!;
    if (isAscii(bytes, from, to)) continue;
    try {
      strict.decode(bytes.subarray(from, to));
    } catch {
      throw malformed(`string ${row} is not valid UTF-8: ${hex(bytes.subarray(from, Math.min(to, from + 64)))}`);
    }
  }
}

/** Hot: once per byte of every string. */
function isAscii(bytes: Uint8Array, from: number, to: number): boolean {
  let all = 0;
  for (let i = from; i < to; i++) all |= bytes[i]!;
  return all < 128;
}

function hex(bytes: Uint8Array): string {
  let text = '';
  for (const byte of bytes) text += byte.toString(16).padStart(2, '0');
  return text;
}

const decoder = new TextDecoder('utf-8', { ignoreBOM: true });
const strict = new TextDecoder('utf-8', { ignoreBOM: true, fatal: true });
