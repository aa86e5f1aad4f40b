import type { ExactColumn } from './exact.ts';
import type { LabelSet } from './label-set.ts';

/** What a value counts: pprof's ValueType, for example cpu/nanoseconds. */
export interface SampleType {
  readonly type: string;
  readonly unit: string;
}

/** One value type of a dataset with the period type it was sampled by; both period parts are '' when there is none. */
export interface ValueType extends SampleType {
  readonly periodType: string;
  readonly periodUnit: string;
}

/** Row numbers; each counts rows of the table named, from 0. */
export type StringRow = number;
export type FunctionRow = number;
export type MappingRow = number;
export type LocationRow = number;
export type NodeRow = number;
export type StackRow = number;

/** Valid UTF-8, back to back: string i is bytes[offsets[i] .. offsets[i + 1]). Row 0 is "". Arrays may be longer than needed. */
export interface StringColumn {
  readonly length: number;
  readonly bytes: Uint8Array;
  readonly offsets: Uint32Array;
}

/** Functions. `startLine` holds whole numbers within +-2^53. */
export interface FunctionColumns {
  readonly length: number;
  readonly name: Uint32Array;
  readonly systemName: Uint32Array;
  readonly fileName: Uint32Array;
  readonly startLine: Float64Array;
}

/** Binaries. `flags`: bit 0 has functions, 1 file names, 2 line numbers, 3 inline frames. */
export interface MappingColumns {
  readonly length: number;
  readonly start: BigUint64Array;
  readonly limit: BigUint64Array;
  readonly offset: BigUint64Array;
  readonly fileName: Uint32Array;
  readonly buildId: Uint32Array;
  readonly flags: Uint8Array;
}

/**
 * Addresses, each with its lines (innermost inlined function first, as in pprof). Lines of location i are rows
 * lineStart[i] .. lineStart[i + 1] of `lineFunction` and `lineNumber`; `lineStart` has length + 1 entries.
 */
export interface LocationColumns {
  readonly length: number;
  readonly mapping: Uint32Array;
  readonly addressLo: Uint32Array;
  readonly addressHi: Uint32Array;
  readonly lineStart: Uint32Array;
  readonly lineFunction: Uint32Array;
  readonly lineNumber: Float64Array;
}

/** Prefix tree of locations, root side first. Node 0 is the root of all (its own parent, no location); parent[i] < i for the rest. */
export interface TreeColumns {
  readonly length: number;
  readonly parent: Uint32Array;
  readonly location: Uint32Array;
}

/** Stacktraces: the tree node of the leaf. A stacktrace of no locations is node 0. */
export interface StackColumns {
  readonly length: number;
  readonly node: Uint32Array;
}

/**
 * A symbol table as columns: what one profile, record, dataset or head refers to. Never of two tenants. Arrays may be longer than needed. In a dataset and
 * a head every content has one row; in a profile and a record it may have several, so that stacks of two rows may be equal.
 */
export interface Symbols {
  readonly strings: StringColumn;
  readonly functions: FunctionColumns;
  readonly mappings: MappingColumns;
  readonly locations: LocationColumns;
  readonly tree: TreeColumns;
  readonly stacks: StackColumns;
}

/**
 * Span and trace ids of samples that carry one, with those samples' own values. The rows' totals contain them already.
 * An id that a sample lacks is 0.
 */
export interface SpanColumns {
  readonly length: number;
  readonly stack: Uint32Array;
  readonly spanId: BigUint64Array;
  readonly traceIdHi: BigUint64Array;
  readonly traceIdLo: BigUint64Array;
  /** One column per value type. */
  readonly values: readonly ExactColumn[];
}

/** The samples of one profile that share their string sample labels: one series, one row. */
export interface SampleGroup {
  /** The stored labels of the series, `__name__` and `service_name` among them. */
  readonly series: LabelSet;
  readonly length: number;
  /** Stack rows, strictly increasing. */
  readonly stack: Uint32Array;
  /** One column per value type; no row is all zero. */
  readonly values: readonly ExactColumn[];
  readonly spans: SpanColumns | undefined;
}

/** The normalised samples of one target over one interval, whatever format they came in. */
export interface Profile {
  readonly service: string;
  /** The value of `__name__`. */
  readonly name: string;
  readonly types: readonly ValueType[];
  /** Unix nanoseconds. */
  readonly timeNanos: bigint;
  readonly durationNanos: bigint;
  readonly symbols: Symbols;
  readonly groups: readonly SampleGroup[];
}
