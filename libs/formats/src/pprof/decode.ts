import type { Pprof, PprofValueType } from './pprof.ts';
import { SampleReader } from './sample-reader.ts';
import { TableReader } from './table-reader.ts';
import { BYTES, malformed, VARINT, Wire } from './wire.ts';

/** Larger profiles are rare; tables grown for one would be kept for nothing. */
const LARGE_BYTES = 2 * 1024 * 1024;

const SAMPLE_TYPE = 1;
const SAMPLE = 2;
const MAPPING = 3;
const LOCATION = 4;
const FUNCTION = 5;
const STRING = 6;
const TIME_NANOS = 9;
const DURATION_NANOS = 10;
const PERIOD_TYPE = 11;
const PERIOD = 12;

/**
 * Reads uncompressed pprofs into columns that it reuses: what `read` returns is good until the next `read` of the same reader. Two passes: the first
 * over the top level in whatever order its fields come, the second over the samples, when locations and value types are known. No object per sample,
 * location, line, function or string.
 */
export class PprofReader {
  readonly #wire = new Wire();
  readonly #tables = new TableReader(this.#wire);
  readonly #samples = new SampleReader(this.#wire);
  readonly #isForOne: boolean;

  /** @param isForOne one profile only; others keep the tables of every profile but very large ones. */
  constructor(isForOne = false) {
    this.#isForOne = isForOne;
  }

  /** @throws KilnError `invalid_argument`, reason `malformed_profile`, naming the byte. */
  read(bytes: Uint8Array): Pprof {
    if (bytes.length === 0) throw malformed('profile is empty: 0 bytes');
    if (bytes.length > LARGE_BYTES && !this.#isForOne) return new PprofReader(true).read(bytes);
    const wire = this.#wire;
    const tables = this.#tables;
    const samples = this.#samples;
    wire.open(bytes);
    tables.clear();
    samples.clear();
    const sampleTypes: PprofValueType[] = [];
    let periodType: PprofValueType | undefined;
    let period = 0n;
    let timeNanos = 0n;
    let durationNanos = 0n;
    const end = bytes.length;
    while (wire.next(end)) {
      const field = wire.field;
      if (wire.type === BYTES) {
        const { from, to } = wire;
        if (field === STRING) tables.addString(from, to);
        else if (field === SAMPLE) samples.add(from, to);
        else if (field === LOCATION) tables.addLocation(from, to);
        else if (field === FUNCTION) tables.addFunction(from, to);
        else if (field === MAPPING) tables.addMapping(from, to);
        else if (field === SAMPLE_TYPE) sampleTypes.push(tables.valueType(from, to));
        else if (field === PERIOD_TYPE) periodType = tables.valueType(from, to);
        wire.at = to;
      } else if (wire.type === VARINT) {
        if (field === TIME_NANOS) timeNanos = wire.big();
        else if (field === DURATION_NANOS) durationNanos = wire.big();
        else if (field === PERIOD) period = wire.big();
      }
    }
    const locations = tables.locations();
    return {
      bytes,
      strings: tables.strings(),
      sampleTypes,
      periodType,
      period,
      timeNanos,
      durationNanos,
      functions: tables.functions(),
      mappings: tables.mappings(),
      locations,
      samples: samples.read(sampleTypes.length, locations),
    };
  }
}

/**
 * Reads one uncompressed pprof. Who reads many keeps a `PprofReader`.
 * @throws KilnError `invalid_argument`, reason `malformed_profile`, naming the byte.
 */
export function decodePprof(bytes: Uint8Array): Pprof {
  return new PprofReader(true).read(bytes);
}
