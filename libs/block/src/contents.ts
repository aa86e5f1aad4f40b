import { ByteReader, ByteWriter } from '@kiln/bytes';
import type { ValueType } from '@kiln/model';
import { readInt, readStrings, TextRows, Texts, writeInt, writeStrings } from './columns.ts';
import { checkVersion, MAJOR, MINOR } from './versions.ts';

/*
 * TOC := major | minor | strings | nDatasets | ds*
 * ds  := service, name | nTypes * (type, unit, period type, period unit) | minMs (zigzag), maxMs - minMs
 *        | nSeries, nRows, nStacks, nSamples | nSections * (kind u8, off / 8, len / 8)      off from the part's start
 */

/** A section of a dataset: its kind, and where it is, counted from the start of its part. */
export interface SectionPlace {
  readonly kind: number;
  readonly off: number;
  readonly len: number;
}

/** What a dataset has of each. A sample is one (row, stack) with its values of all types. */
export interface DatasetCounts {
  readonly series: number;
  readonly rows: number;
  readonly stacks: number;
  readonly samples: number;
}

/** One dataset as its part's table of contents lists it. */
export interface ContentsEntry {
  readonly service: string;
  readonly name: string;
  readonly types: readonly ValueType[];
  readonly minMs: number;
  /** Inclusive. */
  readonly maxMs: number;
  readonly counts: DatasetCounts;
  readonly sections: readonly SectionPlace[];
}

export function encodeContents(entries: readonly ContentsEntry[]): Uint8Array {
  const texts = new TextRows();
  const w = new ByteWriter(512);
  w.varint(entries.length);
  for (const { service, name, types, minMs, maxMs, counts, sections } of entries) {
    w.varint(texts.row(service));
    w.varint(texts.row(name));
    w.varint(types.length);
    for (const { type, unit, periodType, periodUnit } of types)
      for (const text of [type, unit, periodType, periodUnit]) w.varint(texts.row(text));
    writeInt(w, minMs);
    w.varint(maxMs - minMs);
    for (const count of [counts.series, counts.rows, counts.stacks, counts.samples]) w.varint(count);
    w.varint(sections.length);
    for (const { kind, off, len } of sections) {
      w.u8(kind);
      w.varint(off / 8);
      w.varint(len / 8);
    }
  }
  const out = new ByteWriter(w.length + 256);
  out.varint(MAJOR);
  out.varint(MINOR);
  writeStrings(out, texts.column());
  out.bytes(w.view());
  return out.view();
}

/** @throws KilnError `failed_precondition` for a newer major version. */
export function decodeContents(payload: Uint8Array): ContentsEntry[] {
  const r = new ByteReader(payload, 'table of contents');
  checkVersion(r.varint(), r.varint(), 'object');
  const texts = new Texts(readStrings(r), r.format);
  const text = (): string => texts.at(r.varint());
  const entries: ContentsEntry[] = [];
  for (let left = r.count(9); left > 0; left--) {
    const service = text();
    const name = text();
    const types: ValueType[] = [];
    for (let n = r.count(4); n > 0; n--)
      types.push({ type: text(), unit: text(), periodType: text(), periodUnit: text() });
    const minMs = readInt(r);
    const maxMs = minMs + r.varint();
    const counts = { series: r.varint(), rows: r.varint(), stacks: r.varint(), samples: r.varint() };
    const sections: SectionPlace[] = [];
    for (let n = r.count(3); n > 0; n--) sections.push({ kind: r.u8(), off: r.varint() * 8, len: r.varint() * 8 });
    entries.push({ service, name, types, minMs, maxMs, counts, sections });
  }
  if (r.left > 0) r.fail(`${r.left} bytes behind the last dataset`);
  return entries;
}
