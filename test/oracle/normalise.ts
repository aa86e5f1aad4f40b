import {
  labelFaults,
  Refusal,
  reduceSession,
  relabel,
  sortedLabels,
  type Labels,
  type OracleLimits,
} from './labels.ts';
import { utf8, type PprofFunction, type PprofLocation, type PprofMessage, type PprofSample } from './pprof-message.ts';

/** One line of a stack as a person sees it, with the binary it came from. A location without lines is one frame named by binary and address. */
export interface Frame {
  readonly name: string;
  readonly systemName: string;
  readonly file: string;
  readonly startLine: bigint;
  readonly line: bigint;
  readonly binary: string;
  readonly buildId: string;
}

/** A stack of one series, leaf first, with the values of every sample type of its profile. Ids are hex text, '' when the sample has none. */
export interface StoredSample {
  readonly frames: readonly Frame[];
  readonly spanId: string;
  readonly traceId: string;
  readonly values: bigint[];
}

/** The samples that share their stored labels. */
export interface StoredGroup {
  readonly labels: Labels;
  readonly samples: StoredSample[];
}

export interface StoredType {
  readonly type: string;
  readonly unit: string;
}

/** A pprof after validation and normalisation. */
export interface Normalised {
  readonly types: readonly StoredType[];
  readonly periodType: StoredType | undefined;
  readonly timeNanos: bigint;
  readonly durationNanos: bigint;
  readonly groups: StoredGroup[];
}

export interface NormaliseInput {
  readonly message: PprofMessage;
  readonly uncompressedBytes: number;
  readonly labels: Labels;
  readonly receivedMs: number;
  readonly limits: OracleLimits;
}

const INT64_MAX = (1n << 63n) - 1n;

/**
 * Every reason of §4.3 to refuse this profile, in the order of the table. The first is the verdict's; a product that looks in another order may
 * name any of them.
 */
export function profileFaults({ message, uncompressedBytes, receivedMs, limits }: NormaliseInput): string[] {
  const faults: string[] = [];
  const malformed = (bad: boolean): void => void (bad && faults.push('malformed_profile'));
  malformed(message.sampleType.length === 0);
  const now = BigInt(receivedMs) * 1_000_000n;
  const tooOld = message.timeNanos <= now - BigInt(limits.rejectOlderThanMs) * 1_000_000n;
  const tooNew = message.timeNanos >= now + BigInt(limits.rejectNewerThanMs) * 1_000_000n;
  if (message.timeNanos > 0n && (tooOld || tooNew)) faults.push('not_in_ingestion_window');
  if (uncompressedBytes > limits.maxProfileSizeBytes) faults.push('profile_size_limit');
  if (message.sample.length > limits.maxSamples) faults.push('samples_limit');
  if (message.sample.some((s) => s.label.length > limits.maxLabelsPerSample)) faults.push('sample_labels_limit');
  malformed(message.location.some((l) => l.id === 0n) || message.function.some((f) => f.id === 0n));
  malformed(message.sample.some((s) => s.value.length !== message.sampleType.length));
  const strings = message.stringTable;
  malformed(strings.length === 0 || strings[0]!.length > 0);
  const outside = (index: bigint): boolean => index >= BigInt(strings.length);
  const negative = (index: bigint): boolean => index < 0n;
  malformed(message.sampleType.some((t) => [t.type, t.unit].some((i) => outside(i) || negative(i))));
  malformed(message.sample.some((s) => s.label.some((l) => [l.key, l.str].some((i) => outside(i) || negative(i)))));
  malformed(message.function.some((f) => outside(f.name) || outside(f.systemName) || outside(f.filename)));
  malformed(message.mapping.some((m) => outside(m.filename) || outside(m.buildId)));
  malformed(message.sampleType.some((t) => textAt(strings, t.type).includes('-')));
  malformed(strings.some((s) => utf8(s) === undefined));
  return faults;
}

/** Text of a string index; out of range and negative read as empty (§4.4). */
function textAt(strings: readonly Uint8Array[], index: bigint): string {
  const bytes = index < 0n ? undefined : strings[Number(index)];
  return bytes === undefined ? '' : (utf8(bytes) ?? '\u{fffd}');
}

/** Contract §4.1 steps 1, 6, 9 and 11 on one pprof. @throws Refusal */
export function normalise(input: NormaliseInput): Normalised {
  const { message, limits } = input;
  const faults = profileFaults(input);
  if (faults.length > 0) throw new Refusal(faults, `profile refused: ${faults.join(', ')}`);
  const strings = message.stringTable.map((bytes) => cutString(utf8(bytes)!, limits.maxStringBytes));
  const text = (index: bigint): string => (index < 0n ? '' : (strings[Number(index)] ?? ''));
  const seriesLabels = new Map(input.labels);
  if ((seriesLabels.get('service_name') ?? '') === '') seriesLabels.set('service_name', 'unknown_service');
  const go = isGo(seriesLabels.get('pyroscope_spy') ?? '', strings);
  const framesOf = frameTable(message, text, { labels: seriesLabels, go, maxStringBytes: limits.maxStringBytes });
  reduceSession(seriesLabels, limits.maxSessionsPerSeries);

  const groups = new Map<string, StoredGroup>();
  const samplesByKey = new Map<string, StoredSample>();
  for (const sample of message.sample) {
    if (sample.value.some((v) => v < 0n) || sample.value.every((v) => v === 0n)) continue;
    const frames: Frame[] = [];
    // Leaf-side frames are dropped from stacks that are too deep: depth counts locations.
    const ids = sample.locationId.slice(Math.max(0, sample.locationId.length - limits.maxDepth));
    if (ids.some((id) => framesOf.get(id) === undefined)) continue;
    for (const id of ids) frames.push(...framesOf.get(id)!);
    const own = sampleLabels(sample, text);
    const labels = new Map([...own.labels, ...seriesLabels]);
    relabel(labels);
    const bad = labelFaults(labels, limits);
    if (bad.length > 0) throw new Refusal(bad, `labels refused: ${bad.join(', ')}`);
    labels.delete('__delta__');
    labels.delete('__order__');
    const groupKey = JSON.stringify(sortedLabels(labels));
    if (!groups.has(groupKey)) groups.set(groupKey, { labels, samples: [] });
    const key = `${groupKey}\n${own.spanId}\n${own.traceId}\n${frames.map(frameKey).join('\n')}`;
    const known = samplesByKey.get(key);
    if (known !== undefined) for (const [i, v] of sample.value.entries()) known.values[i]! += v;
    else {
      const stored = { frames, spanId: own.spanId, traceId: own.traceId, values: [...sample.value] };
      samplesByKey.set(key, stored);
      groups.get(groupKey)!.samples.push(stored);
    }
  }
  checkSums([...groups.values()], message.sampleType.length);
  return {
    types: message.sampleType.map((t) => ({ type: text(t.type), unit: text(t.unit) })),
    periodType: message.periodType && { type: text(message.periodType.type), unit: text(message.periodType.unit) },
    timeNanos: message.timeNanos > 0n ? message.timeNanos : BigInt(input.receivedMs) * 1_000_000n,
    durationNanos: message.durationNanos,
    groups: [...groups.values()],
  };
}

/** A sum that int64 cannot carry is refused, never clamped. */
function checkSums(groups: readonly StoredGroup[], types: number): void {
  for (const { samples } of groups) {
    for (let t = 0; t < types; t++) {
      const total = samples.reduce((sum, { values }) => sum + values[t]!, 0n);
      if (total > INT64_MAX) throw new Refusal('malformed_profile', `sum ${total} is above int64`, 'out_of_range');
    }
  }
}

/** The last `max` bytes of a text, from a character's start on. */
export function cutString(text: string, max: number): string {
  const bytes = Buffer.from(text);
  if (bytes.length <= max) return text;
  let from = bytes.length - max;
  while (from < bytes.length && (bytes[from]! & 0xc0) === 0x80) from++;
  return bytes.toString('utf8', from);
}

/** Type parameters that Go's compiler made, `[go.shape…]` to its own closing bracket, are cut from names. */
export function cutGoShapes(name: string): string {
  const at = name.indexOf('[go.shape.');
  if (at < 0) return name;
  let depth = 0;
  for (let i = at; i < name.length; i++) {
    if (name[i] === '[') depth++;
    if (name[i] === ']' && --depth === 0) return name.slice(0, at) + cutGoShapes(name.slice(i + 1));
  }
  return name;
}

/** Language patterns of §4.1 step 7, in its order: a string of the first that it starts or ends with. */
const languages: readonly (readonly [string, readonly string[]])[] = [
  ['go', ['.go', '/usr/local/go/']],
  ['java', ['java/', 'sun/']],
  ['ruby', ['.rb', 'gems/']],
  ['nodejs', ['./node_modules/', '.js']],
  ['dotnet', ['System.', 'Microsoft.']],
  ['python', ['.py']],
  ['rust', ['main.rs', 'core.rs']],
];

/** The spies that say which language they watch. */
const spies: Readonly<Record<string, string>> = {
  gospy: 'go',
  javaspy: 'java',
  rbspy: 'ruby',
  nodespy: 'nodejs',
  dotnetspy: 'dotnet',
  pyspy: 'python',
  'pyroscope-rs': 'rust',
};

function isGo(spy: string, strings: readonly string[]): boolean {
  const bySpy = spies[spy];
  if (bySpy !== undefined) return bySpy === 'go';
  for (const text of strings) {
    const found = languages.find(([, patterns]) => patterns.some((p) => text.startsWith(p) || text.endsWith(p)));
    if (found !== undefined) return found[0] === 'go';
  }
  return false;
}

/** Step 10 of §4.1: where the source is known, a build id carries it as JSON. */
function buildIdWithSource(buildId: string, labels: Labels): string {
  const source = {
    repository: labels.get('service_repository') ?? '',
    git_ref: labels.get('service_git_ref') ?? '',
    build_id: buildId,
    root_path: labels.get('service_root_path') ?? '',
  };
  if (source.repository === '' && source.git_ref === '' && source.root_path === '') return buildId;
  return JSON.stringify(Object.fromEntries(Object.entries(source).filter(([, value]) => value !== '')));
}

/** Frames of each location by id, innermost first; a location that normalisation removes (§4.4) is absent. */
function frameTable(
  message: PprofMessage,
  text: (index: bigint) => string,
  { labels, go, maxStringBytes }: { labels: Labels; go: boolean; maxStringBytes: number },
): Map<bigint, Frame[]> {
  const functions = new Map(message.function.map((f) => [f.id, f]));
  const mappings = new Map(message.mapping.map((m) => [m.id, m]));
  const table = new Map<bigint, Frame[]>();
  for (const location of message.location) {
    const frames = locationFrames(location);
    if (frames !== undefined) table.set(location.id, frames);
  }
  return table;

  function nameOf({ name, rename }: PprofFunction): string {
    return rename === undefined ? text(name) : cutString(utf8(rename) ?? '\u{fffd}', maxStringBytes);
  }

  function locationFrames({ mappingId, address, line }: PprofLocation): Frame[] | undefined {
    const mapping = mappings.get(mappingId);
    if (mappingId !== 0n && mapping === undefined) return undefined;
    const binary = mapping === undefined ? '' : text(mapping.filename);
    const buildId = mapping === undefined ? '' : buildIdWithSource(text(mapping.buildId), labels);
    if (line.length === 0) {
      if (address === 0n) return undefined;
      const name = `${binary.slice(binary.lastIndexOf('/') + 1) || 'unknown'}!0x${address.toString(16)}`;
      return [{ name, systemName: '', file: '', startLine: 0n, line: 0n, binary, buildId }];
    }
    const frames: Frame[] = [];
    for (const { functionId, line: number } of line) {
      const fn = functions.get(functionId);
      if (fn === undefined) return undefined;
      frames.push({
        name: go ? cutGoShapes(nameOf(fn)) : nameOf(fn),
        systemName: text(fn.systemName),
        file: text(fn.filename),
        startLine: fn.startLine,
        line: number,
        binary,
        buildId,
      });
    }
    return frames;
  }
}

/**
 * String labels of a sample: ids apart, the rest become series labels. Numeric ones (no string) are removed. Of a name that comes twice the last value
 * counts (clients.md O10); of `profile_id` and `span_id` the former.
 */
function sampleLabels(
  { label }: PprofSample,
  text: (index: bigint) => string,
): { labels: Labels; spanId: string; traceId: string } {
  const labels: Labels = new Map();
  for (const { key, str } of label) if (str !== 0n) labels.set(text(key), text(str));
  const take = (name: string, digits: number): string => {
    const hex = (labels.get(name) ?? '').toLowerCase();
    return hex.length === digits && /^[0-9a-f]+$/.test(hex) && !/^0+$/.test(hex) ? hex : '';
  };
  const spanId = take(labels.has('profile_id') ? 'profile_id' : 'span_id', 16);
  const traceId = take('trace_id', 32);
  for (const name of ['profile_id', 'span_id', 'trace_id']) labels.delete(name);
  for (const [name, value] of labels) if (value === '') labels.delete(name);
  return { spanId, traceId, labels };
}

/** Equal exactly for equal frames. */
export function frameKey(f: Frame): string {
  return JSON.stringify([f.name, f.systemName, f.file, `${f.startLine}`, `${f.line}`, f.binary, f.buildId]);
}
