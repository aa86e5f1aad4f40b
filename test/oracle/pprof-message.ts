import { gunzipSync } from 'node:zlib';
import protobuf from 'protobufjs';
import { knownFields, type WireShape } from './wire.ts';

/** pprof (contract §2.1), as text for protobufjs. Strings are bytes here, so that this oracle itself decides what valid UTF-8 is. */
const PROTO = `
syntax = "proto3";
message Profile {
  repeated ValueType sample_type = 1; repeated Sample sample = 2; repeated Mapping mapping = 3; repeated Location location = 4;
  repeated Function function = 5; repeated bytes string_table = 6; int64 drop_frames = 7; int64 keep_frames = 8; int64 time_nanos = 9;
  int64 duration_nanos = 10; ValueType period_type = 11; int64 period = 12; repeated int64 comment = 13; int64 default_sample_type = 14;
}
message ValueType { int64 type = 1; int64 unit = 2; }
message Sample { repeated uint64 location_id = 1; repeated int64 value = 2; repeated Label label = 3; }
message Label { int64 key = 1; int64 str = 2; int64 num = 3; int64 num_unit = 4; }
message Mapping {
  uint64 id = 1; uint64 memory_start = 2; uint64 memory_limit = 3; uint64 file_offset = 4; int64 filename = 5; int64 build_id = 6;
  bool has_functions = 7; bool has_filenames = 8; bool has_line_numbers = 9; bool has_inline_frames = 10;
}
message Location { uint64 id = 1; uint64 mapping_id = 2; uint64 address = 3; repeated Line line = 4; bool is_folded = 5; }
message Line { uint64 function_id = 1; int64 line = 2; }
message Function { uint64 id = 1; int64 name = 2; int64 system_name = 3; int64 filename = 4; int64 start_line = 5; }
`;

const VALUE_TYPE: WireShape = { 1: 'varint', 2: 'varint' };
const LABEL: WireShape = { 1: 'varint', 2: 'varint', 3: 'varint', 4: 'varint' };
const LINE: WireShape = { 1: 'varint', 2: 'varint' };
const varints = (count: number): WireShape =>
  Object.fromEntries(Array.from({ length: count }, (_, i) => [i + 1, 'varint']));
const SHAPE: WireShape = {
  ...varints(14),
  1: VALUE_TYPE,
  2: { 1: 'varints', 2: 'varints', 3: LABEL },
  3: varints(10),
  4: { 1: 'varint', 2: 'varint', 3: 'varint', 4: LINE, 5: 'varint' },
  5: varints(5),
  6: 'bytes',
  11: VALUE_TYPE,
  13: 'varints',
};

export interface PprofValueType {
  type: bigint;
  unit: bigint;
}

export interface PprofLabel {
  key: bigint;
  str: bigint;
  num: bigint;
  numUnit: bigint;
}

export interface PprofSample {
  locationId: bigint[];
  value: bigint[];
  label: PprofLabel[];
}

export interface PprofMapping {
  id: bigint;
  memoryStart: bigint;
  memoryLimit: bigint;
  fileOffset: bigint;
  filename: bigint;
  buildId: bigint;
  hasFunctions: boolean;
  hasFilenames: boolean;
  hasLineNumbers: boolean;
  hasInlineFrames: boolean;
}

export interface PprofLine {
  functionId: bigint;
  line: bigint;
}

export interface PprofLocation {
  id: bigint;
  mappingId: bigint;
  address: bigint;
  line: PprofLine[];
}

export interface PprofFunction {
  id: bigint;
  name: bigint;
  systemName: bigint;
  filename: bigint;
  startLine: bigint;
  /** A name that takes the place of string `name`: apart from the table, whose size bounds the indexes that clients sent. */
  rename?: Uint8Array;
}

/** A pprof message as it was sent: indexes unresolved, every 64-bit number a bigint. */
export interface PprofMessage {
  sampleType: PprofValueType[];
  sample: PprofSample[];
  mapping: PprofMapping[];
  location: PprofLocation[];
  function: PprofFunction[];
  stringTable: Uint8Array[];
  timeNanos: bigint;
  durationNanos: bigint;
  periodType: PprofValueType | undefined;
  period: bigint;
  defaultSampleType: bigint;
}

const profileType = protobuf.parse(PROTO, { keepCase: false }).root.lookupType('Profile');

interface LongLike {
  readonly low: number;
  readonly high: number;
}

/** protobufjs gives 64-bit numbers as Long, or as the number 0 where the field is absent. */
function signed(value: unknown): bigint {
  if (value === undefined || value === null) return 0n;
  if (typeof value === 'number') return BigInt(value);
  const { low, high } = value as LongLike;
  return (BigInt(high | 0) << 32n) | BigInt(low >>> 0);
}

function unsigned(value: unknown): bigint {
  return BigInt.asUintN(64, signed(value));
}

type Fields = Record<string, unknown>;
const list = (value: unknown): Fields[] => (value ?? []) as Fields[];

/**
 * Reads a pprof that is not compressed.
 * @throws Error when the bytes are no protobuf message of this shape.
 */
export function readPprof(bytes: Uint8Array): PprofMessage {
  const raw = profileType.decode(knownFields(bytes, SHAPE)) as unknown as Fields;
  const valueType = (v: Fields): PprofValueType => ({ type: signed(v['type']), unit: signed(v['unit']) });
  return {
    sampleType: list(raw['sampleType']).map(valueType),
    sample: list(raw['sample']).map((s) => ({
      locationId: ((s['locationId'] ?? []) as unknown[]).map(unsigned),
      value: ((s['value'] ?? []) as unknown[]).map(signed),
      label: list(s['label']).map((l) => ({
        key: signed(l['key']),
        str: signed(l['str']),
        num: signed(l['num']),
        numUnit: signed(l['numUnit']),
      })),
    })),
    mapping: list(raw['mapping']).map((m) => ({
      id: unsigned(m['id']),
      memoryStart: unsigned(m['memoryStart']),
      memoryLimit: unsigned(m['memoryLimit']),
      fileOffset: unsigned(m['fileOffset']),
      filename: signed(m['filename']),
      buildId: signed(m['buildId']),
      hasFunctions: m['hasFunctions'] === true,
      hasFilenames: m['hasFilenames'] === true,
      hasLineNumbers: m['hasLineNumbers'] === true,
      hasInlineFrames: m['hasInlineFrames'] === true,
    })),
    location: list(raw['location']).map((l) => ({
      id: unsigned(l['id']),
      mappingId: unsigned(l['mappingId']),
      address: unsigned(l['address']),
      line: list(l['line']).map((line) => ({ functionId: unsigned(line['functionId']), line: signed(line['line']) })),
    })),
    function: list(raw['function']).map((f) => ({
      id: unsigned(f['id']),
      name: signed(f['name']),
      systemName: signed(f['systemName']),
      filename: signed(f['filename']),
      startLine: signed(f['startLine']),
    })),
    stringTable: (raw['stringTable'] ?? []) as Uint8Array[],
    timeNanos: signed(raw['timeNanos']),
    durationNanos: signed(raw['durationNanos']),
    periodType: raw['periodType'] ? valueType(raw['periodType'] as Fields) : undefined,
    period: signed(raw['period']),
    defaultSampleType: signed(raw['defaultSampleType']),
  };
}

/** A pprof in protobuf JSON, as Connect JSON answers it, back to its bytes. */
export function pprofFromJson(json: Readonly<Record<string, unknown>>): Uint8Array {
  const strings = ((json['stringTable'] ?? []) as string[]).map((text) => Buffer.from(text));
  return profileType.encode(profileType.fromObject({ ...json, stringTable: strings })).finish();
}

/** The bytes behind a gzip magic (all members), or the bytes as they are. @throws Error when the gzip is damaged. */
export function unzipped(bytes: Uint8Array): Uint8Array {
  return bytes[0] === 0x1f && bytes[1] === 0x8b ? gunzipSync(bytes) : bytes;
}

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** The text, or undefined when the bytes are no valid UTF-8. */
export function utf8(bytes: Uint8Array): string | undefined {
  try {
    return decoder.decode(bytes);
  } catch {
    return undefined;
  }
}
