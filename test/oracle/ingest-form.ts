import { Refusal } from './labels.ts';
import type { PprofMessage } from './pprof-message.ts';

/** What the `name` parameter says (§3.1). */
export interface IngestName {
  readonly app: string;
  readonly labels: [string, string][];
}

/** `app{key=value,…}`. @throws Refusal */
export function parseIngestName(name: string): IngestName {
  const brace = name.indexOf('{');
  let app = (brace < 0 ? name : name.slice(0, brace)).trim();
  if (app === '' || !/^[A-Za-z0-9_.\-/]+$/.test(app))
    throw new Refusal('invalid_name', `application name ${JSON.stringify(app)}`);
  const labels: [string, string][] = [];
  let rest = brace < 0 ? '' : name.slice(brace + 1);
  while (rest.trim() !== '' && !rest.trim().startsWith('}')) {
    const equals = rest.indexOf('=');
    if (equals < 0) break;
    const key = rest.slice(0, equals).trim();
    if (key === '' || !/^[A-Za-z0-9_.]+$/.test(key))
      throw new Refusal('invalid_name', `label name ${JSON.stringify(key)}`);
    const end = /[,}]/.exec(rest.slice(equals + 1))?.index;
    // There it is dropped; Kiln refuses it (docs/compatibility.md).
    if (end === undefined) throw new Refusal('invalid_name', `label ${JSON.stringify(key)} without an end`);
    const value = rest.slice(equals + 1, equals + 1 + end).trim();
    const terminator = rest[equals + 1 + end];
    rest = rest.slice(equals + 2 + end);
    if (key === '__name__') app = value;
    else if (!key.startsWith('__') || key === '__session_id__') labels.push([key, value]);
    if (terminator === '}') break;
  }
  return { app, labels };
}

/** Time text of `from` and `until` (§5.10) as Unix nanoseconds. */
export function parseTimeText(text: string | undefined, nowMs: number): bigint {
  const now = BigInt(nowMs) * 1_000_000n;
  const clean = (text ?? '').replaceAll(/[ _,]/g, '');
  if (clean === '') return now;
  if (/^\d+$/.test(clean)) {
    if (clean.length === 8) {
      const day = new Date(`${clean.slice(0, 4)}-${clean.slice(4, 6)}-${clean.slice(6)}T00:00:00Z`);
      const valid =
        !Number.isNaN(day.getTime()) &&
        day.toISOString().startsWith(`${clean.slice(0, 4)}-${clean.slice(4, 6)}-${clean.slice(6)}`);
      if (valid && Number(clean.slice(0, 4)) > 1900) return BigInt(day.getTime()) * 1_000_000n;
    }
    const scale = { 13: 1_000_000n, 16: 1_000n, 19: 1n }[clean.length] ?? 1_000_000_000n;
    return BigInt(clean) * scale;
  }
  const units: [string, number][] = [
    ['mon', 30 * 86_400],
    ['M', 30 * 86_400],
    ['s', 1],
    ['m', 60],
    ['h', 3_600],
    ['d', 86_400],
    ['w', 7 * 86_400],
    ['y', 365 * 86_400],
  ];
  const sign = /[+-]/.exec(clean);
  if (sign === null) return now;
  let seconds = 0;
  for (const [, count, unit] of clean.slice(sign.index + 1).matchAll(/(\d+)([a-zA-Z]*)/g)) {
    seconds += Number(count) * (units.find(([prefix]) => unit!.startsWith(prefix))?.[1] ?? 0);
  }
  return now + BigInt(sign[0] === '+' ? seconds : -seconds) * 1_000_000_000n;
}

/** `sample_type_config`: only `display-name` counts. */
export type SampleTypeConfig = Record<string, { 'display-name'?: string }>;

const defaultConfig: SampleTypeConfig = {
  samples: { 'display-name': 'cpu' },
  goroutine: { 'display-name': 'goroutines' },
  contentions: { 'display-name': 'mutex_count' },
  delay: { 'display-name': 'mutex_duration' },
};

/** `__name__` of a pprof that came by `/ingest` (§3.3), from its sample types in order. */
export function ingestMetricName(types: readonly string[], config: SampleTypeConfig | undefined): string {
  if (types.includes('wall')) return 'wall';
  let last = '';
  for (const type of types) {
    const own = (config ?? defaultConfig)[type];
    last = own?.['display-name'] || type;
    if (last.includes('cpu')) return 'process_cpu';
    if (last.includes('alloc_') || last.includes('inuse_') || last === 'space' || last === 'objects') return 'memory';
    if (last.includes('mutex_')) return 'mutex';
    if (last.includes('block_')) return 'block';
    if (last.includes('goroutines')) return 'goroutines';
  }
  return last;
}

/** Parts of a multipart body that have a file name, by field name. @throws Refusal */
export function fileParts(body: Uint8Array, contentType: string): Map<string, Uint8Array> {
  const boundary = /boundary=(?:"([^"]+)"|([^;]+))/i.exec(contentType);
  if (boundary === null) throw new Refusal('malformed_body', 'multipart without boundary');
  const text = Buffer.from(body);
  const mark = Buffer.from(`--${(boundary[1] ?? boundary[2])!.trim()}`);
  const parts = new Map<string, Uint8Array>();
  let at = text.indexOf(mark);
  if (at < 0) throw new Refusal('malformed_body', 'multipart body without its boundary');
  for (;;) {
    at += mark.length;
    if (text.toString('latin1', at, at + 2) === '--') return parts;
    const head = text.indexOf('\r\n\r\n', at);
    const next = text.indexOf(Buffer.concat([Buffer.from('\r\n'), mark]), Math.max(at, head));
    if (head < 0 || next < 0) throw new Refusal('malformed_body', 'multipart body ends early');
    const disposition = /^content-disposition:(.*)$/im.exec(text.toString('utf8', at, head))?.[1] ?? '';
    const name = /[; ]name="([^"]*)"/i.exec(disposition)?.[1];
    if (name !== undefined && /filename/i.test(disposition) && !parts.has(name))
      parts.set(name, text.subarray(head + 4, next));
    at = next + 2;
  }
}

/** Rewrites a pprof as §3.3 asks: time of 1970, names of scripting languages, dotnet. Changes the message in place. */
export function fixIngested(
  message: PprofMessage,
  spy: string,
  config: SampleTypeConfig | undefined,
  fromNanos: bigint,
): void {
  if (message.timeNanos < 31_536_000_000_000_000n) message.timeNanos = fromNanos;
  if (spy === 'pyspy' || spy === 'rbspy' || spy === 'scripting') nameByFile(message, spy);
  if (spy === 'dotnetspy' || (spy === 'unknown' && config?.['inuse-space'] !== undefined)) {
    if (message.function.every((f) => f.id === 0n)) message.function.forEach((f, i) => void (f.id = BigInt(i + 1)));
    for (const { type } of message.sampleType) {
      const bytes = message.stringTable[Number(type)];
      if (bytes !== undefined && type >= 0n)
        message.stringTable[Number(type)] = bytes.map((b) => (b === 0x2d ? 0x5f : b));
    }
  }
}

function nameByFile(message: PprofMessage, spy: string): void {
  const functions = new Map(message.function.map((f) => [f.id, f]));
  const made = new Map<bigint, bigint>();
  const at = (index: bigint): Uint8Array =>
    (index < 0n ? undefined : message.stringTable[Number(index)]) ?? new Uint8Array(0);
  const highest = message.function.reduce((max, f) => (f.id > max ? f.id : max), 0n);
  for (const line of message.location.flatMap((l) => l.line)) {
    const fn = functions.get(line.functionId);
    if (fn === undefined) continue;
    const file = Buffer.from(at(fn.filename));
    if (spy === 'pyspy' && file[0] === 0x2f) continue;
    if (!made.has(fn.id)) {
      const id = highest + BigInt(made.size) + 1n;
      message.function.push({ ...fn, id, rename: Buffer.concat([file, Buffer.from(' '), at(fn.name)]) });
      made.set(fn.id, id);
    }
    line.functionId = made.get(fn.id)!;
  }
}
