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

/**
 * The entries, few bytes each: a tenant may have ten thousand datasets in each of many parts. Sections are read again from `payload` when they are asked
 * for, and equal lists of value types are one.
 * @throws KilnError `failed_precondition` for a newer major version.
 */
export function decodeContents(payload: Uint8Array): ContentsEntry[] {
  const r = new ByteReader(payload, 'table of contents');
  checkVersion(r.varint(), r.varint(), 'object');
  const texts = new Texts(readStrings(r), r.format);
  const text = (): string => texts.at(r.varint());
  const typeLists = new Map<string, readonly ValueType[]>();
  const entries: ContentsEntry[] = [];
  for (let left = r.count(9); left > 0; left--) {
    const service = text();
    const name = text();
    const typesAt = r.position;
    const read: ValueType[] = [];
    for (let n = r.count(4); n > 0; n--)
      read.push({ type: text(), unit: text(), periodType: text(), periodUnit: text() });
    const key = payload.subarray(typesAt, r.position).join();
    const types = typeLists.get(key) ?? read;
    typeLists.set(key, types);
    const minMs = readInt(r);
    const maxMs = minMs + r.varint();
    const counts = { series: r.varint(), rows: r.varint(), stacks: r.varint(), samples: r.varint() };
    const sectionsAt = r.position;
    readSections(r);
    entries.push(new StoredEntry({ service, name, types, minMs, maxMs, counts }, payload, sectionsAt));
  }
  if (r.left > 0) r.fail(`${r.left} bytes behind the last dataset`);
  return entries;
}

class StoredEntry implements ContentsEntry {
  readonly service: string;
  readonly name: string;
  readonly types: readonly ValueType[];
  readonly minMs: number;
  readonly maxMs: number;
  readonly counts: DatasetCounts;
  readonly #payload: Uint8Array;
  readonly #sectionsAt: number;

  constructor(head: Omit<ContentsEntry, 'sections'>, payload: Uint8Array, sectionsAt: number) {
    this.service = head.service;
    this.name = head.name;
    this.types = head.types;
    this.minMs = head.minMs;
    this.maxMs = head.maxMs;
    this.counts = head.counts;
    this.#payload = payload;
    this.#sectionsAt = sectionsAt;
  }

  get sections(): readonly SectionPlace[] {
    return readSections(new ByteReader(this.#payload, 'table of contents', this.#sectionsAt));
  }
}

function readSections(r: ByteReader): SectionPlace[] {
  const sections: SectionPlace[] = [];
  for (let n = r.count(3); n > 0; n--) sections.push({ kind: r.u8(), off: r.varint() * 8, len: r.varint() * 8 });
  return sections;
}
