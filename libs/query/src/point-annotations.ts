import type { ByteReader, ByteWriter } from '@kiln/bytes';
import type { Annotation } from '@kiln/model';
import type { QueryLimits } from './limits.ts';
import { CHUNK, PointTable } from './point-table.ts';

/*
 * annotations := n | n * (key | value | n * chunk)
 * chunk       := group, zigzag delta | chunk number, zigzag delta | mask u8        bits as those of points
 */

/** A chunk: two deltas and a mask. */
const CHUNK_BYTES = 3;
const NONE: readonly Annotation[] = [];

/** Which points of SelectSeries have which annotations: for each a table of points of which only the masks count. Few datasets have any. */
export class PointAnnotations {
  readonly #limits: QueryLimits;
  readonly #known = new Map<string, { readonly annotation: Annotation; readonly points: PointTable }>();

  constructor(limits: QueryLimits = {}) {
    this.#limits = limits;
  }

  get size(): number {
    return this.#known.size;
  }

  /** The points of an annotation. */
  pointsOf(annotation: Annotation): PointTable {
    const { key, value } = annotation;
    const text = JSON.stringify([key, value]);
    const known = this.#known.get(text);
    if (known !== undefined) return known.points;
    const points = new PointTable(false, this.#limits);
    this.#known.set(text, { annotation: { key, value }, points });
    return points;
  }

  write(writer: ByteWriter): void {
    writer.varint(this.#known.size);
    for (const { annotation, points } of this.#known.values()) {
      const { chunks, chunkGroup, chunkNumber, mask } = points;
      writer.text(annotation.key);
      writer.text(annotation.value);
      writer.varint(chunks);
      for (let chunk = 0, group = 0, number = 0; chunk < chunks; chunk++) {
        writer.zigzag(chunkGroup[chunk]! - group);
        writer.zigzag(chunkNumber[chunk]! - number);
        group = chunkGroup[chunk]!;
        number = chunkNumber[chunk]!;
        writer.u8(mask[chunk]!);
      }
    }
  }

  /** Adds what `write` wrote. @param target the groups as numbers of this table's. @param lastBucket of the query. */
  read(reader: ByteReader, target: Uint32Array, lastBucket: number): void {
    const annotations = reader.count(CHUNK_BYTES);
    for (let i = 0; i < annotations; i++) {
      const points = this.pointsOf({ key: reader.text(), value: reader.text() });
      const chunks = reader.count(CHUNK_BYTES);
      for (let chunk = 0, group = 0, number = 0; chunk < chunks; chunk++) {
        group += reader.zigzag();
        number += reader.zigzag();
        const mask = reader.u8();
        if (group < 0 || group >= target.length) reader.fail(`group ${group} of ${target.length}`);
        if (number < 0 || mask === 0 || number * CHUNK + (31 - Math.clz32(mask)) > lastBucket)
          reader.fail(`time steps ${mask} of chunk ${number}, the last step is ${lastBucket}`);
        const own = points.chunk(target[group]!, number);
        for (let k = 0; k < CHUNK; k++) if ((mask & (1 << k)) !== 0) points.addTo(own, k, 0, 0, 0);
      }
    }
  }

  /** The annotations of a point, by group and bucket; in the order of keys and values, whatever came first. */
  finder(): (group: number, bucket: number) => readonly Annotation[] {
    const sorted = [...this.#known].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([, known]) => known);
    const found = sorted.map(({ annotation, points: { chunks, chunkGroup, chunkNumber, mask } }) => {
      const masks = new Map<string, number>();
      for (let chunk = 0; chunk < chunks; chunk++)
        masks.set(`${chunkGroup[chunk]}/${chunkNumber[chunk]}`, mask[chunk]!);
      return { annotation, masks };
    });
    return (group, bucket) => {
      const number = Math.floor(bucket / CHUNK);
      const bit = 1 << (bucket - number * CHUNK);
      const own = found.filter(({ masks }) => ((masks.get(`${group}/${number}`) ?? 0) & bit) !== 0);
      return own.length === 0 ? NONE : own.map(({ annotation }) => annotation);
    };
  }
}
