import { decodePprof, normalizePprof, type ProfileLimits } from '@kiln/formats';
import { exactToBigInt, KilnError, type ExactColumn, type Label, type Profile, type Symbols } from '@kiln/model';
import {
  defaultLimits,
  frameKey,
  normalise,
  readPprof,
  Refusal,
  type Frame,
  type StoredGroup,
} from '../oracle/index.ts';

/** A profile as sums: per series its stacks, and the ids of its samples, each with the values of every type. */
export type Sums = Map<string, string>;

/** What one side said about a file. */
export type Outcome = { readonly refused: readonly string[]; readonly code: string } | { readonly sums: Sums };

export interface CompareInput {
  /** Not compressed. */
  readonly bytes: Uint8Array;
  readonly labels: readonly Label[];
  readonly receivedMs: number;
}

/** The product takes its limits under its own names. */
export const limits: ProfileLimits = {
  maxLabelNameLength: defaultLimits.maxLabelNameBytes,
  maxLabelValueLength: defaultLimits.maxLabelValueBytes,
  maxLabelNamesPerSeries: defaultLimits.maxLabelNames,
  maxSessionsPerSeries: defaultLimits.maxSessionsPerSeries,
  disableLabelSanitization: true,
  maxProfileSizeBytes: defaultLimits.maxProfileSizeBytes,
  maxStacktraceSamples: defaultLimits.maxSamples,
  maxStacktraceSampleLabels: defaultLimits.maxLabelsPerSample,
  maxStacktraceDepth: defaultLimits.maxDepth,
  maxSymbolValueLength: defaultLimits.maxStringBytes,
  rejectOlderThanMs: defaultLimits.rejectOlderThanMs,
  rejectNewerThanMs: defaultLimits.rejectNewerThanMs,
};

/** What the product makes of a file. Anything but a KilnError is thrown on: that is a crash. */
export function productOutcome({ bytes, labels, receivedMs }: CompareInput): Outcome {
  try {
    const { profile } = normalizePprof(decodePprof(bytes), { labels, limits, receivedMs });
    return { sums: profile === undefined ? new Map() : sumsOfProduct(profile) };
  } catch (error) {
    if (!(error instanceof KilnError)) throw error;
    return { refused: [error.reason ?? error.code], code: error.code };
  }
}

/** What the oracle makes of it. */
export function oracleOutcome({ bytes, labels, receivedMs }: CompareInput): Outcome {
  try {
    const message = readMessage(bytes);
    const pairs = new Map(labels.map(({ name, value }) => [name, value]));
    const { types, periodType, timeNanos, durationNanos, groups } = normalise({
      message,
      uncompressedBytes: bytes.length,
      labels: pairs,
      receivedMs,
      limits: defaultLimits,
    });
    const head = headOf(
      types.map((t) => [t.type, t.unit, periodType?.type ?? '', periodType?.unit ?? '']),
      timeNanos,
      durationNanos,
    );
    return { sums: groups.length === 0 ? new Map() : sumsOfOracle(groups, head) };
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    return { refused: error.reasons, code: error.code };
  }
}

function readMessage(bytes: Uint8Array): ReturnType<typeof readPprof> {
  try {
    return readPprof(bytes);
  } catch (error) {
    throw new Refusal('malformed_profile', String(error));
  }
}

/** Where the two differ, as a sentence; undefined when they agree. */
export function difference(product: Outcome, oracle: Outcome): string | undefined {
  if ('refused' in oracle) {
    if (!('refused' in product)) return `accepted, the oracle refuses: ${oracle.refused.join(', ')}`;
    if (!oracle.refused.includes(product.refused[0]!))
      return `refused for ${product.refused[0]}, the oracle for ${oracle.refused.join(', ')}`;
    if (product.code !== oracle.code && oracle.refused.length === 1)
      return `code ${product.code}, the oracle says ${oracle.code}`;
    return undefined;
  }
  if ('refused' in product) return `refused (${product.refused[0]}), the oracle accepts`;
  for (const [key, value] of oracle.sums) {
    const found = product.sums.get(key);
    if (found !== value)
      return `${shortKey(key)}: the oracle has ${value}, found ${found ?? 'nothing'}${nearest(key, product.sums)}`;
  }
  for (const [key, value] of product.sums)
    if (!oracle.sums.has(key))
      return `${shortKey(key)}: the oracle has nothing, found ${value}${nearest(key, oracle.sums)}`;
  return undefined;
}

/** Series, and the first frames of a stack. */
function shortKey(key: string): string {
  const lines = key.split('\n');
  return lines.length < 5 ? lines.join(' ') : `${lines.slice(0, 4).join(' ')} … ${lines.length - 1} frames`;
}

/** The entry of the other side that shares most lines with a missing one: what went wrong is in the rest. */
function nearest(key: string, sums: Sums): string {
  const lines = key.split('\n');
  let best = '';
  let score = 1;
  for (const other of sums.keys()) {
    const theirs = other.split('\n');
    const shared = theirs.filter((line, i) => line === lines[i]).length;
    if (other !== key && shared > score)
      [best, score] = [theirs.filter((line, i) => line !== lines[i]).join(' '), shared];
  }
  return best === ''
    ? ''
    : `; nearest differs in ${best.slice(0, 300)} for ${lines.filter((line) => !best.includes(line)).length} lines`;
}

function headOf(types: readonly string[][], timeNanos: bigint, durationNanos: bigint): string {
  return JSON.stringify([types, `${timeNanos}`, `${durationNanos}`]);
}

/** Adds up values under keys; `text` once at the end. */
class Adder {
  readonly #values = new Map<string, bigint[]>();

  add(key: string, values: readonly bigint[]): void {
    const known = this.#values.get(key);
    if (known === undefined) this.#values.set(key, [...values]);
    else for (const [i, v] of values.entries()) known[i]! += v;
  }

  texts(): Sums {
    return new Map([...this.#values].map(([key, values]) => [key, values.join(' ')]));
  }
}

function sumsOfOracle(groups: readonly StoredGroup[], head: string): Sums {
  const sums = new Adder();
  for (const { labels, samples } of groups) {
    const series = seriesKey([...labels]);
    for (const { frames, spanId, traceId, values } of samples) {
      const stack = frames.map(frameKey).join('\n');
      sums.add(`${series}\n${stack}`, values);
      if (spanId !== '' || traceId !== '')
        sums.add(`${series} span ${spanId || '0'} trace ${traceId || '0'}\n${stack}`, values);
    }
  }
  return sums.texts().set('head', head);
}

function seriesKey(labels: readonly (readonly [string, string])[]): string {
  return JSON.stringify(labels.toSorted(([a], [b]) => (a < b ? -1 : 1)));
}

function sumsOfProduct(profile: Profile): Sums {
  const sums = new Adder();
  const stackText = stackTexts(profile.symbols);
  for (const { series, length, stack, values, spans } of profile.groups) {
    const key = seriesKey(series.map(({ name, value }) => [name, value]));
    for (let i = 0; i < length; i++)
      sums.add(
        `${key}\n${stackText(stack[i]!)}`,
        values.map((column) => valueAt(column, i)),
      );
    for (let i = 0; i < (spans?.length ?? 0); i++) {
      const { spanId, traceIdHi, traceIdLo } = spans!;
      const span = spanId[i] === 0n ? '0' : hex(spanId[i]!);
      const trace = traceIdHi[i] === 0n && traceIdLo[i] === 0n ? '0' : hex(traceIdHi[i]!) + hex(traceIdLo[i]!);
      sums.add(
        `${key} span ${span} trace ${trace}\n${stackText(spans!.stack[i]!)}`,
        spans!.values.map((column) => valueAt(column, i)),
      );
    }
  }
  const types = profile.types.map((t) => [t.type, t.unit, t.periodType, t.periodUnit]);
  return sums.texts().set('head', headOf(types, profile.timeNanos, profile.durationNanos));
}

const hex = (value: bigint): string => value.toString(16).padStart(16, '0');

function valueAt({ lo, hi }: ExactColumn, i: number): bigint {
  return exactToBigInt(lo[i]!, hi?.[i] ?? 0);
}

/** Text of a stack row, leaf first, in the oracle's words. */
export function stackTexts({
  strings,
  functions,
  mappings,
  locations,
  tree,
  stacks,
}: Symbols): (row: number) => string {
  const decoder = new TextDecoder();
  const text = (row: number): string =>
    decoder.decode(strings.bytes.subarray(strings.offsets[row], strings.offsets[row + 1]));
  const frames = (location: number): Frame[] => {
    const mapping = locations.mapping[location]!;
    const hasMapping = mapping < mappings.length;
    const binary = hasMapping ? text(mappings.fileName[mapping]!) : '';
    const buildId = hasMapping ? text(mappings.buildId[mapping]!) : '';
    const from = locations.lineStart[location]!;
    const to = locations.lineStart[location + 1]!;
    if (from === to) {
      const address = (BigInt(locations.addressHi[location]!) << 32n) | BigInt(locations.addressLo[location]!);
      const name = `${binary.slice(binary.lastIndexOf('/') + 1) || 'unknown'}!0x${address.toString(16)}`;
      return [{ name, systemName: '', file: '', startLine: 0n, line: 0n, binary, buildId }];
    }
    return Array.from({ length: to - from }, (_, i): Frame => {
      const fn = locations.lineFunction[from + i]!;
      return {
        name: text(functions.name[fn]!),
        systemName: text(functions.systemName[fn]!),
        file: text(functions.fileName[fn]!),
        startLine: BigInt(functions.startLine[fn]!),
        line: BigInt(locations.lineNumber[from + i]!),
        binary,
        buildId,
      };
    });
  };
  const known = new Map<number, string>();
  return (row) => {
    const found = known.get(row);
    if (found !== undefined) return found;
    const keys: string[] = [];
    for (let node = stacks.node[row]!; node !== 0; node = tree.parent[node]!)
      keys.push(...frames(tree.location[node]!).map(frameKey));
    const made = keys.join('\n');
    known.set(row, made);
    return made;
  };
}
