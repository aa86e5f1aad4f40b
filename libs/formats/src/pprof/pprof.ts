/** A type or period type: rows of the string table as they stand in the file, unchecked; -1 for a negative one. */
export interface PprofValueType {
  readonly type: number;
  readonly unit: number;
}

/** Strings: bytes [from, to) of the file each. */
export interface PprofStrings {
  readonly length: number;
  readonly from: Int32Array;
  readonly to: Int32Array;
}

export interface PprofFunctions {
  readonly length: number;
  readonly idLo: Int32Array;
  readonly idHi: Int32Array;
  readonly name: Int32Array;
  readonly systemName: Int32Array;
  readonly fileName: Int32Array;
  /** 0 where a double cannot hold the number: no line of any file. */
  readonly startLine: Float64Array;
}

/** Binaries; `start`, `limit` and `offset` hold two halves a row, low one first. `flags` as in model's MappingColumns. */
export interface PprofMappings {
  readonly length: number;
  readonly idLo: Int32Array;
  readonly idHi: Int32Array;
  readonly start: Int32Array;
  readonly limit: Int32Array;
  readonly offset: Int32Array;
  readonly fileName: Int32Array;
  readonly buildId: Int32Array;
  readonly flags: Uint8Array;
}

/** Addresses. Lines of location i are rows lineStart[i] .. lineStart[i + 1] of the line columns, innermost function first. */
export interface PprofLocations {
  readonly length: number;
  readonly idLo: Int32Array;
  readonly idHi: Int32Array;
  readonly mappingIdLo: Int32Array;
  readonly mappingIdHi: Int32Array;
  readonly addressLo: Int32Array;
  readonly addressHi: Int32Array;
  readonly lineStart: Int32Array;
  readonly lineFunctionIdLo: Int32Array;
  readonly lineFunctionIdHi: Int32Array;
  readonly lineNumber: Float64Array;
}

/** What becomes of a sample by its values. */
export const KEPT = 0;
export const NEGATIVE = 1;
export const ZERO = 2;

/** Lists of frames, mostly each once: row + 1 of `locations`, 0 where no location has the id, leaf first, those of path i from frameStart[i] to frameStart[i + 1]. */
export interface PprofPaths {
  readonly length: number;
  readonly frameStart: Int32Array;
  readonly frame: Int32Array;
}

/** Samples. Every sample has as many values as the profile has types: sample i holds those from i * types on. */
export interface PprofSamples {
  readonly length: number;
  /** Row of `paths` of each sample. */
  readonly path: Int32Array;
  readonly paths: PprofPaths;
  /** value = hi * 2^52 + lo (model's exact integers); `hi` is negative of a negative value, and absent while every value is 0 to 2^52. */
  readonly lo: Float64Array;
  readonly hi: Float64Array | undefined;
  /** KEPT, NEGATIVE when a value is negative, ZERO when all are zero. */
  readonly state: Uint8Array;
  /** Labels of sample i from labelStart[i] to labelStart[i + 1]: string rows; `labelText` 0 means a numeric one. */
  readonly labelStart: Int32Array;
  readonly labelKey: Int32Array;
  readonly labelText: Int32Array;
  /** Whether any label has a text. */
  readonly hasTexts: boolean;
}

/**
 * A pprof as columns over its own bytes (https://github.com/google/pprof/blob/main/proto/profile.proto). Its structure is checked, its references are
 * not yet: string rows are as in the file (-1 for a negative one), ids are 64-bit halves. Arrays are as long as needed or longer.
 */
export interface Pprof {
  readonly bytes: Uint8Array;
  readonly strings: PprofStrings;
  readonly sampleTypes: readonly PprofValueType[];
  readonly periodType: PprofValueType | undefined;
  readonly period: bigint;
  readonly timeNanos: bigint;
  readonly durationNanos: bigint;
  readonly functions: PprofFunctions;
  readonly mappings: PprofMappings;
  readonly locations: PprofLocations;
  readonly samples: PprofSamples;
}

const decoder = new TextDecoder('utf-8', { ignoreBOM: true });

/** The text of a string row of the file; '' for one that is negative or out of range. */
export function textOf({ bytes, strings }: Pprof, row: number): string {
  if (row <= 0 || row >= strings.length) return '';
  return decoder.decode(bytes.subarray(strings.from[row], strings.to[row]));
}
