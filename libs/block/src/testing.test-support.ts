import { crc32, zstdCompressSync, zstdDecompressSync, constants } from 'node:zlib';
import fc from 'fast-check';
import {
  exactFromBigInt,
  exactToBigInt,
  labelSet,
  type ExactColumn,
  type LabelSet,
  type Profile,
  type SampleGroup,
  type SpanColumns,
  type StackRow,
  type Symbols,
  type ValueType,
} from '@kiln/model';
import type { Codecs, DatasetSpans } from './tables.ts';

/** The codecs of Node. */
export const codecs: Codecs = {
  crc32: (bytes, seed) => crc32(bytes, seed),
  zstdCompress: (bytes) => zstdCompressSync(bytes, { params: { [constants.ZSTD_c_compressionLevel]: 1 } }),
  zstdDecompress: (bytes, maxLength) => zstdDecompressSync(bytes, { maxOutputLength: Math.max(1, maxLength) }),
};

/** A location as the tests think of it. */
export interface PlainLocation {
  readonly binary: string;
  readonly address: bigint;
  /** Innermost first. */
  readonly lines: readonly { readonly fn: string; readonly file: string; readonly line: number }[];
}

/** Values of one stack (root first), one per value type. */
export interface PlainSample {
  readonly stack: readonly PlainLocation[];
  readonly values: readonly bigint[];
}

export interface PlainSpan extends PlainSample {
  readonly span: bigint;
  readonly trace: bigint;
}

export interface PlainGroup {
  readonly labels: Readonly<Record<string, string>>;
  readonly samples: readonly PlainSample[];
  readonly spans: readonly PlainSpan[];
}

export interface PlainProfile {
  readonly service: string;
  readonly name: string;
  readonly types: readonly string[];
  readonly timeMs: number;
  readonly groups: readonly PlainGroup[];
}

export function valueTypes(names: readonly string[]): ValueType[] {
  return names.map((type) => ({ type, unit: 'count', periodType: type === 'cpu' ? 'cpu' : '', periodUnit: '' }));
}

/** Interns the slow way: keys are JSON. */
class PlainSymbols {
  readonly #strings = new Rows<string>();
  readonly #functions = new Rows<readonly [number, number, number]>();
  readonly #mappings = new Rows<readonly [number, number]>();
  readonly #locations = new Rows<readonly [number, string, readonly (readonly [number, number])[]]>();
  readonly #nodes = new Rows<readonly [number, number]>();
  readonly #stacks = new Rows<number>();

  constructor() {
    this.#strings.row('');
    this.#nodes.row([0, 0]);
  }

  stack(locations: readonly PlainLocation[]): StackRow {
    let node = 0;
    for (const location of locations) node = this.#nodes.row([node, this.#location(location) + 1]);
    return this.#stacks.row(node);
  }

  symbols(): Symbols {
    const encoded = this.#strings.list.map((text) => Buffer.from(text));
    const offsets = new Uint32Array(encoded.length + 1);
    encoded.forEach((bytes, i) => (offsets[i + 1] = offsets[i]! + bytes.length));
    const functions = this.#functions.list;
    const mappings = this.#mappings.list;
    const locations = this.#locations.list;
    const lines = locations.flatMap(([, , own]) => own);
    const lineStart = new Uint32Array(locations.length + 1);
    locations.forEach(([, , own], i) => (lineStart[i + 1] = lineStart[i]! + own.length));
    const u32 = (list: readonly number[]): Uint32Array => Uint32Array.from(list);
    return {
      strings: { length: encoded.length, bytes: new Uint8Array(Buffer.concat(encoded)), offsets },
      functions: {
        length: functions.length,
        name: u32(functions.map(([name]) => name)),
        systemName: u32(functions.map(([name]) => name)),
        fileName: u32(functions.map(([, file]) => file)),
        startLine: Float64Array.from(functions.map(([, , start]) => start)),
      },
      mappings: {
        length: mappings.length,
        start: BigUint64Array.from(mappings.map(([file]) => BigInt(file) << 40n)),
        limit: BigUint64Array.from(mappings.map(() => 2n ** 64n - 1n)),
        offset: BigUint64Array.from(mappings.map(() => 4096n)),
        fileName: u32(mappings.map(([file]) => file)),
        buildId: u32(mappings.map(([, id]) => id)),
        flags: Uint8Array.from(mappings.map(() => 15)),
      },
      locations: {
        length: locations.length,
        mapping: u32(locations.map(([mapping]) => mapping)),
        addressLo: u32(locations.map(([, address]) => Number(BigInt(address) & 0xffffffffn))),
        addressHi: u32(locations.map(([, address]) => Number(BigInt(address) >> 32n))),
        lineStart,
        lineFunction: u32(lines.map(([fn]) => fn)),
        lineNumber: Float64Array.from(lines.map(([, line]) => line)),
      },
      tree: {
        length: this.#nodes.list.length,
        parent: u32(this.#nodes.list.map(([parent]) => parent)),
        location: u32(this.#nodes.list.map(([, location]) => Math.max(0, location - 1))),
      },
      stacks: { length: this.#stacks.list.length, node: u32(this.#stacks.list) },
    };
  }

  #location({ binary, address, lines }: PlainLocation): number {
    const mapping = this.#mappings.row([this.#strings.row(binary), this.#strings.row(`id of ${binary}`)]);
    const own = lines.map(({ fn, file, line }) => {
      const row = this.#functions.row([this.#strings.row(fn), this.#strings.row(file), fn.length]);
      return [row, line] as const;
    });
    return this.#locations.row([mapping, String(lines.length === 0 ? address : 0n), own]);
  }
}

class Rows<T> {
  readonly list: T[] = [];
  readonly #rows = new Map<string, number>();

  row(value: T): number {
    const key = JSON.stringify(value);
    const known = this.#rows.get(key);
    if (known !== undefined) return known;
    this.#rows.set(key, this.list.length);
    return this.list.push(value) - 1;
  }
}

/** The profile as the decoders of formats would hand it over. */
export function buildProfile(plain: PlainProfile): Profile {
  const table = new PlainSymbols();
  const groups = plain.groups.map((group): SampleGroup => {
    const samples = sumByStack(table, group.samples);
    return {
      series: labelSet(Object.entries(group.labels).map(([name, value]) => ({ name, value }))),
      length: samples.length,
      stack: Uint32Array.from(samples.map(([stack]) => stack)),
      values: exactColumns(
        samples.map(([, values]) => values),
        plain.types.length,
      ),
      spans: spanColumns(table, group.spans, plain.types.length),
    };
  });
  return {
    service: plain.service,
    name: plain.name,
    types: valueTypes(plain.types),
    timeNanos: BigInt(plain.timeMs) * 1_000_000n + 999_999n,
    durationNanos: 15_000_000_000n,
    symbols: table.symbols(),
    groups,
  };
}

function sumByStack(table: PlainSymbols, samples: readonly PlainSample[]): [number, bigint[]][] {
  const sums = new Map<number, bigint[]>();
  for (const { stack, values } of samples) {
    const row = table.stack(stack);
    const sum = sums.get(row);
    sums.set(
      row,
      values.map((value, t) => value + (sum?.[t] ?? 0n)),
    );
  }
  return [...sums].toSorted(([a], [b]) => a - b);
}

export function exactColumns(rows: readonly (readonly bigint[])[], types: number): ExactColumn[] {
  return Array.from({ length: types }, (_, t) => {
    const parts = rows.map((values) => exactFromBigInt(values[t]!));
    const hi = parts.some((part) => part.hi !== 0) ? Float64Array.from(parts.map((part) => part.hi)) : undefined;
    return { lo: Float64Array.from(parts.map((part) => part.lo)), hi };
  });
}

function spanColumns(table: PlainSymbols, spans: readonly PlainSpan[], types: number): SpanColumns | undefined {
  if (spans.length === 0) return undefined;
  return {
    length: spans.length,
    stack: Uint32Array.from(spans.map(({ stack }) => table.stack(stack))),
    spanId: BigUint64Array.from(spans.map(({ span }) => span)),
    traceIdHi: BigUint64Array.from(spans.map(({ trace }) => trace >> 64n)),
    traceIdLo: BigUint64Array.from(spans.map(({ trace }) => trace & (2n ** 64n - 1n))),
    values: exactColumns(
      spans.map(({ values }) => values),
      types,
    ),
  };
}

/** A stack as text: all that identifies it. */
export function stackText({ strings, functions, mappings, locations, tree, stacks }: Symbols, stack: StackRow): string {
  const text = (row: number): string =>
    Buffer.from(strings.bytes.subarray(strings.offsets[row], strings.offsets[row + 1])).toString();
  const parts: string[] = [];
  if (stack >= stacks.length) throw new Error(`stack ${stack} of ${stacks.length}`);
  for (let node = stacks.node[stack]!; node !== 0; node = tree.parent[node]!) {
    const location = tree.location[node]!;
    const mapping = locations.mapping[location]!;
    const lines: string[] = [];
    for (let line = locations.lineStart[location]!; line < locations.lineStart[location + 1]!; line++) {
      const fn = locations.lineFunction[line]!;
      const alias = functions.systemName[fn] === functions.name[fn] ? '' : `(${text(functions.systemName[fn]!)})`;
      lines.push(
        `${text(functions.name[fn]!)}${alias}@${text(functions.fileName[fn]!)}:${functions.startLine[fn]}:${locations.lineNumber[line]}`,
      );
    }
    const address = (BigInt(locations.addressHi[location]!) << 32n) | BigInt(locations.addressLo[location]!);
    const place = `${text(mappings.fileName[mapping]!)}/${text(mappings.buildId[mapping]!)}/${mappings.limit[mapping]}/${mappings.offset[mapping]}/${mappings.flags[mapping]}`;
    parts.push(`${place} 0x${address.toString(16)} [${lines.join(' ')}]`);
  }
  return parts.toReversed().join(' ; ');
}

export function plainStackText(stack: readonly PlainLocation[]): string {
  return stack
    .map(({ binary, address, lines }) => {
      const own = lines.map(({ fn, file, line }) => `${fn}@${file}:${fn.length}:${line}`);
      const place = `${binary}/id of ${binary}/${2n ** 64n - 1n}/4096/15`;
      return `${place} 0x${(lines.length === 0 ? address : 0n).toString(16)} [${own.join(' ')}]`;
    })
    .join(' ; ');
}

/** The samples of one row, sorted, values as bigints. */
export function samplesText(
  symbols: Symbols,
  { stack, values, length }: { stack: Uint32Array; values: readonly ExactColumn[]; length: number },
): string[] {
  const texts: string[] = [];
  for (let i = 0; i < length; i++) {
    const own = values.map(({ lo, hi }) => exactToBigInt(lo[i]!, hi === undefined ? 0 : hi[i]!));
    texts.push(`${stackText(symbols, stack[i]!)} = ${own.join(',')}`);
  }
  return texts.toSorted();
}

export function plainSamplesText(samples: readonly PlainSample[]): string[] {
  const sums = new Map<string, bigint[]>();
  for (const { stack, values } of samples) {
    const key = plainStackText(stack);
    const sum = sums.get(key);
    sums.set(
      key,
      values.map((value, t) => value + (sum?.[t] ?? 0n)),
    );
  }
  return [...sums].map(([key, values]) => `${key} = ${values.join(',')}`).toSorted();
}

export function spansText(symbols: Symbols, spans: DatasetSpans | undefined): string[] {
  const texts: string[] = [];
  if (spans === undefined) return texts;
  for (let i = 0; i < spans.length; i++) {
    const own = spans.values.map(({ lo, hi }) => exactToBigInt(lo[i]!, hi === undefined ? 0 : hi[i]!));
    const trace = (spans.traceIdHi[i]! << 64n) | spans.traceIdLo[i]!;
    texts.push(
      `${spans.row[i]}: ${spans.spanId[i]} ${trace} ${stackText(symbols, spans.stack[i]!)} = ${own.join(',')}`,
    );
  }
  return texts.toSorted();
}

export function labelsOf(series: LabelSet): Record<string, string> {
  return Object.fromEntries(series.map(({ name, value }) => [name, value]));
}

/** A profile id of 16 bytes. */
export function idOf(number: number): Uint8Array {
  const id = new Uint8Array(16);
  new DataView(id.buffer).setUint32(0, number);
  id[15] = number % 251;
  return id;
}

const word = fc.constantFrom('', 'a', 'main', 'net/http.(*conn).serve', 'größe', '日本', 'A'.repeat(200), 'main.main');
const location: fc.Arbitrary<PlainLocation> = fc.record({
  binary: fc.constantFrom('/bin/app', 'libc.so', ''),
  address: fc.oneof(fc.constant(0n), fc.bigInt({ min: 0n, max: 2n ** 64n - 1n })),
  lines: fc.array(
    fc.record({
      fn: word,
      file: fc.constantFrom('', 'main.go', 'net/http/server.go'),
      line: fc.oneof(
        fc.nat(300),
        fc.integer({ min: -(2 ** 31), max: 2 ** 31 }),
        fc.constantFrom(2 ** 53, -(2 ** 53), 2 ** 52, 2 ** 51),
      ),
    }),
    { maxLength: 3 },
  ),
});

/** Values that make every form of a row likely: multiples, zeros, large, above 2^52, up to 2^63 - 1. */
export const value: fc.Arbitrary<bigint> = fc.oneof(
  { weight: 6, arbitrary: fc.bigInt({ min: 0n, max: 5n }) },
  { weight: 3, arbitrary: fc.bigInt({ min: 0n, max: 20n }).map((n) => n * 10_000_000n) },
  { weight: 1, arbitrary: fc.bigInt({ min: 0n, max: 2n ** 53n }) },
  { weight: 1, arbitrary: fc.constantFrom(2n ** 52n - 1n, 2n ** 52n, 2n ** 53n, 2n ** 63n - 1n) },
);

/** @param types value types of the profile. */
export function plainProfile(types: readonly string[]): fc.Arbitrary<PlainProfile> {
  const values = fc.oneof(
    fc.array(value, { minLength: types.length, maxLength: types.length }),
    fc.nat(40).map((n) => types.map((_, t) => BigInt(n) * (t === 0 ? 1n : 10_000_000n))),
    fc.nat(300).map((n) => types.map((_, t) => BigInt(n) * 3n * BigInt(t + 1))),
  );
  const stack = fc.array(location, { maxLength: 4 });
  const sample = fc.record({ stack, values });
  const span = fc.record({
    stack,
    values,
    span: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
    trace: fc.oneof(fc.constant(0n), fc.bigInt({ min: 0n, max: 2n ** 128n - 1n })),
  });
  const profile = fc.record({
    service: fc.constantFrom('api', 'db', ''),
    name: fc.constantFrom('process_cpu', 'memory'),
    types: fc.constant(types),
    timeMs: fc.integer({ min: -1000, max: 2_000_000_000_000 }),
    groups: fc.uniqueArray(
      fc.record({
        labels: fc.dictionary(
          fc.constantFrom('pod', 'zone', 'é', 'service_name'),
          fc.constantFrom('a', 'pod-1', 'größe'),
          {
            maxKeys: 3,
            noNullPrototype: true,
          },
        ),
        samples: fc.array(sample, { maxLength: 6 }),
        spans: fc.oneof(
          { weight: 3, arbitrary: fc.constant([]) },
          { weight: 1, arbitrary: fc.array(span, { maxLength: 3 }) },
        ),
      }),
      {
        maxLength: 3,
        selector: ({ labels }) => JSON.stringify(Object.entries(labels).toSorted(([x], [y]) => (x < y ? -1 : 1))),
      },
    ),
  });
  // Equal stacks of a row are added up: what a page cannot hold is refused, and that has tests of its own.
  const fits = (rows: readonly { readonly values: readonly bigint[] }[]): boolean =>
    types.every((_, t) => rows.reduce((sum, { values: each }) => sum + each[t]!, 0n) < 2n ** 64n);
  return profile.filter(({ groups }) => groups.every(({ samples, spans }) => fits([...samples, ...spans])));
}
