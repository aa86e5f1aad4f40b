import { ByteWriter } from '@kiln/bytes';
import type { ExactColumn, SampleType, Symbols } from '@kiln/model';

/** Merged stacktraces as they go into a pprof: stack row i of `symbols` has value i of every type. */
export interface PprofContent {
  readonly symbols: Symbols;
  readonly types: readonly (SampleType & { readonly values: ExactColumn })[];
  /** Number of the type that tools show unless told; left out, the first. */
  readonly shown?: number | undefined;
  /** Both parts empty: none is written. */
  readonly periodType: SampleType;
  readonly period: bigint;
  readonly timeNanos: bigint;
  readonly durationNanos: bigint;
}

/** Encodes a pprof, uncompressed: ids from 1, string table starting with ""; stacks without value are left out. */
export function encodePprof({
  symbols,
  types,
  shown = 0,
  periodType,
  period,
  timeNanos,
  durationNanos,
}: PprofContent): Uint8Array {
  const out = new ByteWriter(64 * 1024);
  const part = new ByteWriter(1024);
  const extra = new ExtraStrings(symbols.strings.length);
  for (const { type, unit } of types) writeMessage(out, 1, part, (w) => writeType(w, extra.row(type), extra.row(unit)));
  writeSamples(
    out,
    symbols,
    types.map(({ values }) => values),
  );
  writeMappings(out, symbols);
  writeLocations(out, symbols);
  writeFunctions(out, symbols);
  const defaultType = types.length === 0 ? 0 : extra.row(types[shown]!.type);
  const period11 =
    periodType.type === '' && periodType.unit === ''
      ? undefined
      : [extra.row(periodType.type), extra.row(periodType.unit)];
  const { bytes, offsets, length } = symbols.strings;
  for (let row = 0; row < length; row++) writeBytes(out, 6, bytes.subarray(offsets[row], offsets[row + 1]));
  for (const text of extra.texts) writeBytes(out, 6, encoder.encode(text));
  writeBig(out, 9, timeNanos);
  writeBig(out, 10, durationNanos);
  if (period11 !== undefined) writeMessage(out, 11, part, (w) => writeType(w, period11[0]!, period11[1]!));
  writeBig(out, 12, period);
  writeNumber(out, 14, defaultType);
  return out.toBytes();
}

const encoder = new TextEncoder();

/** Strings that stand behind those of the symbol table. */
class ExtraStrings {
  readonly texts: string[] = [];
  readonly #first: number;

  constructor(first: number) {
    this.#first = first;
  }

  row(text: string): number {
    if (text === '') return 0;
    const at = this.texts.indexOf(text);
    return this.#first + (at >= 0 ? at : this.texts.push(text) - 1);
  }
}

function writeType(w: ByteWriter, type: number, unit: number): void {
  writeNumber(w, 1, type);
  writeNumber(w, 2, unit);
}

function writeSamples(out: ByteWriter, { tree, stacks }: Symbols, values: readonly ExactColumn[]): void {
  const sample = new ByteWriter(1024);
  const run = new ByteWriter(1024);
  for (let stack = 0; stack < stacks.length; stack++) {
    if (values.every(({ lo, hi }) => lo[stack] === 0 && (hi?.[stack] ?? 0) === 0)) continue;
    sample.clear();
    run.clear();
    for (let node = stacks.node[stack]!; node !== 0; node = tree.parent[node]!) run.varint(tree.location[node]! + 1);
    writeBytes(sample, 1, run.view());
    run.clear();
    for (const { lo, hi } of values) run.varintExact(lo[stack]!, hi?.[stack] ?? 0);
    writeBytes(sample, 2, run.view());
    writeBytes(out, 2, sample.view(), true);
  }
}

function writeMappings(out: ByteWriter, { mappings }: Symbols): void {
  const part = new ByteWriter(64);
  for (let row = 0; row < mappings.length; row++) {
    writeMessage(out, 3, part, (w) => {
      writeNumber(w, 1, row + 1);
      writeBig(w, 2, mappings.start[row]!);
      writeBig(w, 3, mappings.limit[row]!);
      writeBig(w, 4, mappings.offset[row]!);
      writeNumber(w, 5, mappings.fileName[row]!);
      writeNumber(w, 6, mappings.buildId[row]!);
      for (let bit = 0; bit < 4; bit++) writeNumber(w, 7 + bit, (mappings.flags[row]! >> bit) & 1);
    });
  }
}

function writeLocations(out: ByteWriter, { locations }: Symbols): void {
  const part = new ByteWriter(64);
  const line = new ByteWriter(32);
  for (let row = 0; row < locations.length; row++) {
    writeMessage(out, 4, part, (w) => {
      writeNumber(w, 1, row + 1);
      writeNumber(w, 2, locations.mapping[row]! + 1);
      writeBig(w, 3, (BigInt(locations.addressHi[row]!) << 32n) | BigInt(locations.addressLo[row]!));
      for (let i = locations.lineStart[row]!; i < locations.lineStart[row + 1]!; i++) {
        writeMessage(w, 4, line, (l) => {
          writeNumber(l, 1, locations.lineFunction[i]! + 1);
          writeSigned(l, 2, locations.lineNumber[i]!);
        });
      }
    });
  }
}

function writeFunctions(out: ByteWriter, { functions }: Symbols): void {
  const part = new ByteWriter(64);
  for (let row = 0; row < functions.length; row++) {
    writeMessage(out, 5, part, (w) => {
      writeNumber(w, 1, row + 1);
      writeNumber(w, 2, functions.name[row]!);
      writeNumber(w, 3, functions.systemName[row]!);
      writeNumber(w, 4, functions.fileName[row]!);
      writeSigned(w, 5, functions.startLine[row]!);
    });
  }
}

function writeMessage(out: ByteWriter, field: number, part: ByteWriter, fill: (w: ByteWriter) => void): void {
  part.clear();
  fill(part);
  writeBytes(out, field, part.view(), true);
}

/** Strings keep their place even when empty; messages do too where asked. */
function writeBytes(out: ByteWriter, field: number, content: Uint8Array, isMessage = field === 6): void {
  if (content.length === 0 && !isMessage) return;
  out.varint(field * 8 + 2);
  out.varint(content.length);
  out.bytes(content);
}

function writeNumber(out: ByteWriter, field: number, value: number): void {
  if (value === 0) return;
  out.varint(field * 8);
  out.varint(value);
}

function writeSigned(out: ByteWriter, field: number, value: number): void {
  if (value >= 0) writeNumber(out, field, value);
  else writeBig(out, field, BigInt(value));
}

function writeBig(out: ByteWriter, field: number, value: bigint): void {
  if (value === 0n) return;
  const unsigned = BigInt.asUintN(64, value);
  out.varint(field * 8);
  out.varintExact(Number(unsigned & 0xfffffffffffffn), Number(unsigned >> 52n));
}
