import type { ExactColumn, LabelSet, SpanColumns, Symbols, ValueType } from '@kiln/model';

/** Compression as handed in, because this package imports nothing from `node:`. zstd is used at level 1. */
export interface Codecs {
  /** CRC-32 (IEEE), continued from `seed`. */
  crc32(bytes: Uint8Array, seed?: number): number;
  zstdCompress(bytes: Uint8Array): Uint8Array;
  /** @throws when the content is damaged or longer than `maxLength`. */
  zstdDecompress(bytes: Uint8Array, maxLength: number): Uint8Array;
}

/** A page: the samples of some consecutive rows, in the encoding of FORMAT.md, without codec. */
export interface Page {
  /** Row number, in the dataset, of the page's first row. */
  readonly firstRow: number;
  readonly rows: number;
  readonly bytes: Uint8Array;
}

/** The rows of a dataset: one per (profile, series), in arrival order at level 0 and in the head. Arrays may be longer than `length`. */
export interface RowColumns {
  readonly length: number;
  readonly series: Uint32Array;
  /** Profile time, Unix milliseconds. */
  readonly timeMs: Float64Array;
  /** 8 bytes a row: the first half of the profile id. */
  readonly id: Uint8Array;
  /** Log offset of the record each row came in; level 0 and head only. */
  readonly offset: Float64Array | undefined;
  /** Sum over the samples, one column per value type. */
  readonly totals: readonly ExactColumn[];
}

/** Span columns of a whole dataset: `row` says which row each entry belongs to, ascending. */
export interface DatasetSpans extends SpanColumns {
  readonly row: Uint32Array;
}

/** All rows of a dataset summed by stretches of time, exactly. */
export interface Rollup {
  /** Length of a bucket, ms: buckets begin at its multiples. 0: one bucket, which begins at 0 and holds all rows. */
  readonly stepMs: number;
  /** Where each bucket that has rows begins, ms, rising. */
  readonly startMs: Float64Array;
  /** As the dataset's, but a row is a bucket: its stacks with their sums. */
  readonly pages: readonly Page[];
}

/**
 * The rows of one (tenant, service, `__name__`, set of value types) as the head holds them and as a block decodes to, so that one query code reads
 * both. Members may be getters that decode on first use; they throw CorruptDataError. All of it is a snapshot: it does not change while it is held.
 */
export interface DatasetTables {
  readonly service: string;
  readonly name: string;
  readonly types: readonly ValueType[];
  readonly minMs: number;
  /** Inclusive. */
  readonly maxMs: number;
  readonly series: readonly LabelSet[];
  readonly rows: RowColumns;
  readonly pages: readonly Page[];
  /** Stack numbers in pages and spans are rows of `symbols.stacks`. */
  readonly symbols: Symbols;
  readonly spans: DatasetSpans | undefined;
  /** Of levels 1 and 2, the coarsest step first; each step divides the one before. Whoever makes a dataset leaves them to the writer of a block. */
  readonly rollups?: readonly Rollup[];
  /** Of finer steps, which divide those of `rollups`: looked at where these leave something. */
  readonly fineRollups?: readonly Rollup[];
  /** Of a dataset that is stored. */
  readonly stored?: StoredSizes;
}

/** What a stored dataset takes, known before any of it is read. */
export interface StoredSizes {
  readonly samples: number;
  /** Series, rows and where pages are. */
  readonly indexBytes: number;
  /** Pages, their roll-ups, spans. */
  readonly sampleBytes: number;
  readonly symbolBytes: number;
}

/** Profile ids that a log kept, in log order: 16 bytes each, the append time and the duplicate window of each. */
export interface KeptIds {
  readonly length: number;
  readonly id: Uint8Array;
  readonly appendMs: Float64Array;
  readonly windowMs: Float64Array;
}
