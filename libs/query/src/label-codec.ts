import type { ByteReader, ByteWriter } from '@kiln/bytes';
import type { Label } from '@kiln/model';
import { compareUtf8 } from './utf8-order.ts';

/** Lists of labels as rows of numbers into one list of texts: `n texts | n lists * (n labels * (name, value))`. */
export function writeLabelLists(writer: ByteWriter, lists: readonly (readonly Label[])[]): void {
  const numbers = new Map<string, number>();
  const texts: string[] = [];
  const number = (text: string): number => {
    let known = numbers.get(text);
    if (known === undefined) {
      known = texts.push(text) - 1;
      numbers.set(text, known);
    }
    return known;
  };
  const rows = lists.map((labels) => labels.flatMap(({ name, value }) => [number(name), number(value)]));
  writer.varint(texts.length);
  for (const text of texts) writer.text(text);
  writer.varint(rows.length);
  for (const row of rows) {
    writer.varint(row.length / 2);
    for (const text of row) writer.varint(text);
  }
}

/** Reads what `writeLabelLists` wrote. */
export function readLabelLists(reader: ByteReader): Label[][] {
  const texts: string[] = [];
  const nTexts = reader.count();
  for (let i = 0; i < nTexts; i++) texts.push(reader.text());
  const readText = (): string => texts[reader.varint()] ?? reader.fail(`text row outside ${nTexts}`);
  const lists: Label[][] = [];
  const nLists = reader.count();
  for (let i = 0; i < nLists; i++) {
    const labels: Label[] = [];
    const nLabels = reader.count(2);
    for (let k = 0; k < nLabels; k++) labels.push({ name: readText(), value: readText() });
    lists.push(labels);
  }
  return lists;
}

/** By label after label, name before value, by UTF-8 bytes; a list comes before its continuations. */
export function compareLabelLists(a: readonly Label[], b: readonly Label[]): number {
  for (let i = 0; i < a.length && i < b.length; i++) {
    const order = compareUtf8(a[i]!.name, b[i]!.name) || compareUtf8(a[i]!.value, b[i]!.value);
    if (order !== 0) return order;
  }
  return a.length - b.length;
}
