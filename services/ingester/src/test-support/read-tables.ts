import { PageRows, type DatasetTables } from '@kiln/block';
import { exactToBigInt, type Symbols } from '@kiln/model';

/** A row of a dataset in plain words. */
export interface PlainRow {
  readonly dataset: string;
  readonly labels: string;
  readonly timeMs: number;
  readonly id: string;
  readonly offset: number | undefined;
  readonly totals: readonly bigint[];
  /** `root;…;leaf` → one value per type. */
  readonly samples: Readonly<Record<string, readonly bigint[]>>;
  readonly spans: readonly string[];
}

/** Every row of a dataset, slowly and obviously. */
export function readTables(tables: DatasetTables): PlainRow[] {
  const { rows, types, symbols, spans } = tables;
  const plain: PlainRow[] = [];
  for (const page of tables.pages) {
    const samples = new PageRows(page, types.length, symbols.stacks.length);
    for (let row = page.firstRow; samples.next(); row++) {
      const sums: Record<string, bigint[]> = {};
      for (let i = 0; i < samples.length; i++) {
        sums[stackText(symbols, samples.stack[i]!)] = samples.values.map(({ lo, hi }) =>
          exactToBigInt(lo[i]!, hi?.[i] ?? 0),
        );
      }
      plain.push({
        dataset: `${tables.service}/${tables.name}/${types.map(({ type, unit }) => `${type}:${unit}`).join()}`,
        labels: tables.series[rows.series[row]!]!.map(({ name, value }) => `${name}=${value}`).join(),
        timeMs: rows.timeMs[row]!,
        id: Buffer.from(rows.id.subarray(row * 8, row * 8 + 8)).toString('hex'),
        offset: rows.offset?.[row],
        totals: rows.totals.map(({ lo, hi }) => exactToBigInt(lo[row]!, hi?.[row] ?? 0)),
        samples: sums,
        spans: [],
      });
    }
  }
  if (plain.length !== rows.length) throw new Error(`${plain.length} rows in pages, ${rows.length} in columns`);
  for (let i = 0; i < (spans?.length ?? 0); i++) {
    const values = spans!.values.map(({ lo, hi }) => exactToBigInt(lo[i]!, hi?.[i] ?? 0));
    (plain[spans!.row[i]!]!.spans as string[]).push(
      `${stackText(symbols, spans!.stack[i]!)} ${spans!.spanId[i]} ${values.join()}`,
    );
  }
  return plain;
}

function stackText({ stacks, tree, locations, functions, strings }: Symbols, stack: number): string {
  const frames: string[] = [];
  for (let node = stacks.node[stack]!; node !== 0; node = tree.parent[node]!) {
    const line = locations.lineStart[tree.location[node]!]!;
    const name = functions.name[locations.lineFunction[line]!]!;
    frames.push(Buffer.from(strings.bytes.subarray(strings.offsets[name], strings.offsets[name + 1])).toString());
  }
  return frames.toReversed().join(';');
}
