import { ByteReader, ByteWriter } from '@kiln/bytes';
import type { LabelSet } from '@kiln/model';
import { stringColumn, Texts } from '../columns.ts';
import { readFrontCoded, writeFrontCoded } from './front-coding.ts';

/*
 * SERIES := strings, front-coded, sorted | nSeries | nSeries * number of labels | all labels: name | all labels: value
 */

export function encodeSeries(series: readonly LabelSet[]): Uint8Array {
  const distinct = new Set(series.flatMap((labels) => labels.flatMap(({ name, value }) => [name, value])));
  const texts = [...distinct].toSorted((a, b) => (a < b ? -1 : 1));
  const rows = new Map(texts.map((text, row) => [text, row]));
  const w = new ByteWriter(512);
  writeFrontCoded(w, stringColumn(texts), Uint32Array.from(texts.keys()));
  w.varint(series.length);
  for (const labels of series) w.varint(labels.length);
  for (const labels of series) for (const { name } of labels) w.varint(rows.get(name)!);
  for (const labels of series) for (const { value } of labels) w.varint(rows.get(value)!);
  return w.view();
}

export function decodeSeries(payload: Uint8Array): LabelSet[] {
  const r = new ByteReader(payload, 'section SERIES');
  const texts = new Texts(readFrontCoded(r), r.format);
  const count = r.count();
  const counts: number[] = [];
  let total = 0;
  for (let i = 0; i < count; i++) {
    const labels = r.varint();
    total += labels;
    if (total * 2 > r.left) r.fail(`${total} labels, ${r.left} bytes left`);
    counts.push(labels);
  }
  const names: string[] = [];
  for (let i = 0; i < total; i++) names.push(texts.at(r.varint()));
  let at = 0;
  const series = counts.map((labels) => {
    const set: { name: string; value: string }[] = [];
    for (let i = 0; i < labels; i++) {
      const name = names[at++]!;
      if (i > 0 && set[i - 1]!.name >= name) r.fail(`label ${JSON.stringify(name)} out of order`);
      set.push({ name, value: texts.at(r.varint()) });
    }
    return set;
  });
  if (r.left > 0) r.fail(`${r.left} bytes behind the last series`);
  return series;
}
