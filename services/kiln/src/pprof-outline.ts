import { ByteReader, ByteWriter } from '@kiln/bytes';

/** What a push must know of a pprof file; the server reads the rest. */
export interface PprofOutline {
  /** Type names of the samples, in order: `cpu`, `alloc_space`. */
  readonly sampleTypes: readonly string[];
  /** Their units, in the same order. */
  readonly sampleUnits: readonly string[];
  readonly periodType: string;
  readonly periodUnit: string;
  /** Unix nanoseconds; 0 when the file carries none. */
  readonly timeNanos: bigint;
}

const SAMPLE_TYPE = 1;
const STRING_TABLE = 6;
const TIME_NANOS = 9;
const PERIOD_TYPE = 11;

/**
 * Reads the outline of a decompressed pprof (google.v1.Profile).
 * @throws CorruptDataError when the bytes are no protobuf message.
 */
export function pprofOutline(bytes: Uint8Array): PprofOutline {
  const types: ValueType[] = [];
  let period: ValueType = { type: 0, unit: 0 };
  const strings: Uint8Array[] = [];
  let timeNanos = 0n;
  for (const { field, content, value } of fieldsOf(bytes)) {
    if (field === SAMPLE_TYPE && content !== undefined) types.push(valueType(content));
    else if (field === PERIOD_TYPE && content !== undefined) period = valueType(content);
    else if (field === STRING_TABLE && content !== undefined) strings.push(content);
    else if (field === TIME_NANOS && value !== undefined) timeNanos = BigInt.asIntN(64, value);
  }
  const decoder = new TextDecoder();
  const text = (row: number): string => decoder.decode(strings[row] ?? new Uint8Array(0));
  return {
    sampleTypes: types.map(({ type }) => text(type)),
    sampleUnits: types.map(({ unit }) => text(unit)),
    periodType: text(period.type),
    periodUnit: text(period.unit),
    timeNanos,
  };
}

/** The same profile with another time. */
export function withTimeNanos(bytes: Uint8Array, timeNanos: bigint): Uint8Array {
  const out = new ByteWriter(bytes.length + 16);
  for (const { field, start, end } of fieldsOf(bytes)) if (field !== TIME_NANOS) out.bytes(bytes.subarray(start, end));
  out.varint(TIME_NANOS * 8);
  out.varintExact(Number(timeNanos & 0xfffffffffffffn), Number(timeNanos >> 52n));
  return out.toBytes();
}

/**
 * The metric name by sample types, as /ingest guesses it when it is sent no configuration (contract/pyroscope.md §3.3).
 */
export function guessName(sampleTypes: readonly string[]): string {
  if (sampleTypes.includes('wall')) return 'wall';
  let name = '';
  for (const type of sampleTypes) {
    name = displayNames.get(type) ?? type;
    for (const [pattern, guess] of guesses) if (pattern.test(name)) return guess;
  }
  return name;
}

const displayNames = new Map([
  ['samples', 'cpu'],
  ['goroutine', 'goroutines'],
  ['contentions', 'mutex_count'],
  ['delay', 'mutex_duration'],
]);

const guesses: readonly (readonly [RegExp, string])[] = [
  [/cpu/, 'process_cpu'],
  [/alloc_|inuse_|^space$|^objects$/, 'memory'],
  [/mutex_/, 'mutex'],
  [/block_/, 'block'],
  [/goroutines/, 'goroutines'],
];

interface Field {
  readonly field: number;
  /** From the tag to the end of the field. */
  readonly start: number;
  readonly end: number;
  readonly content: Uint8Array | undefined;
  readonly value: bigint | undefined;
}

function* fieldsOf(bytes: Uint8Array): Generator<Field> {
  const reader = new ByteReader(bytes, 'pprof');
  while (reader.left > 0) {
    const start = reader.position;
    const tag = reader.varint();
    const field = Math.floor(tag / 8);
    const wire = tag % 8;
    if (field === 0) reader.fail('field number 0');
    let content: Uint8Array | undefined;
    let value: bigint | undefined;
    if (wire === 0) value = reader.varintBig();
    else if (wire === 1) reader.take(8);
    else if (wire === 2) content = reader.take(reader.count());
    else if (wire === 5) reader.take(4);
    else reader.fail(`wire type ${wire}`);
    yield { field, start, end: reader.position, content, value };
  }
}

/** Rows of the string table. */
interface ValueType {
  readonly type: number;
  readonly unit: number;
}

function valueType(bytes: Uint8Array): ValueType {
  const rows = [0, 0, 0];
  for (const { field, value } of fieldsOf(bytes)) if (field < 3 && value !== undefined) rows[field] = Number(value);
  return { type: rows[1]!, unit: rows[2]! };
}
