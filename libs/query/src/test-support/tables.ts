import { PageBuilder, type DatasetTables, type Page } from '@kiln/block';
import { exactFromBigInt, labelSet, labelSetKey, type ExactColumn, type LabelSet, type Symbols } from '@kiln/model';
import type { ModelDataset, ModelLocation, ModelSample } from './model.ts';

/** A dataset as the head or a block would give it, a few rows to a page. */
export function toTables(dataset: ModelDataset, rowsPerPage = 3): DatasetTables {
  const symbols = new SymbolBuilder();
  const series = new Map<string, { ref: number; labels: LabelSet }>();
  const refs: number[] = [];
  const pages: Page[] = [];
  let builder = new PageBuilder(dataset.types.length);
  let firstRow = 0;
  const totals = dataset.types.map((): bigint[] => []);
  const spans: { row: number; stack: number; sample: ModelSample }[] = [];
  for (const [number, row] of dataset.rows.entries()) {
    const labels = labelSet([
      ...row.labels,
      { name: '__name__', value: dataset.name },
      { name: 'service_name', value: dataset.service },
    ]);
    const key = labelSetKey(labels);
    if (!series.has(key)) series.set(key, { ref: series.size, labels });
    refs.push(series.get(key)!.ref);
    const byStack = new Map<number, bigint[]>();
    for (const sample of row.samples) {
      const { stack, values } = sample;
      const ref = symbols.stack(stack);
      if (sample.spanId !== undefined || sample.traceId !== undefined) spans.push({ row: number, stack: ref, sample });
      const before = byStack.get(ref) ?? values.map(() => 0n);
      byStack.set(
        ref,
        before.map((value, type) => value + values[type]!),
      );
    }
    const sorted = [...byStack]
      .filter(([, values]) => values.some((value) => value > 0n))
      .toSorted(([a], [b]) => a - b);
    builder.add(
      Uint32Array.from(sorted, ([ref]) => ref),
      dataset.types.map((_, type) => toColumn(sorted.map(([, values]) => values[type]!))),
      sorted.length,
    );
    for (const [type, column] of totals.entries())
      column.push(row.samples.reduce((sum, { values }) => sum + values[type]!, 0n));
    if (number - firstRow + 1 === rowsPerPage || number + 1 === dataset.rows.length) {
      pages.push({ firstRow, rows: number - firstRow + 1, bytes: builder.toBytes() });
      firstRow = number + 1;
      builder = new PageBuilder(dataset.types.length);
    }
  }
  const times = dataset.rows.map(({ timeMs }) => timeMs);
  return {
    service: dataset.service,
    name: dataset.name,
    types: dataset.types,
    minMs: Math.min(...times),
    maxMs: Math.max(...times),
    series: [...series.values()].map(({ labels }) => labels),
    rows: {
      length: refs.length,
      series: Uint32Array.from(refs),
      timeMs: Float64Array.from(times),
      id: Uint8Array.from(dataset.rows.flatMap(({ id = '0'.repeat(16) }) => [...Buffer.from(id, 'hex')])),
      offset: undefined,
      totals: totals.map(toColumn),
    },
    pages,
    symbols: symbols.build(),
    spans: spans.length === 0 ? undefined : toSpans(spans, dataset.types.length),
  };
}

function toSpans(
  entries: readonly { row: number; stack: number; sample: ModelSample }[],
  types: number,
): DatasetTables['spans'] {
  const integers = (hex: (sample: ModelSample) => string): BigUint64Array =>
    BigUint64Array.from(entries, ({ sample }) => BigInt(`0x${hex(sample) || '0'}`));
  return {
    length: entries.length,
    row: Uint32Array.from(entries, ({ row }) => row),
    stack: Uint32Array.from(entries, ({ stack }) => stack),
    spanId: integers(({ spanId = '' }) => spanId),
    traceIdHi: integers(({ traceId = '' }) => traceId.slice(0, 16)),
    traceIdLo: integers(({ traceId = '' }) => traceId.slice(16)),
    values: Array.from({ length: types }, (_, type) => toColumn(entries.map(({ sample }) => sample.values[type]!))),
  };
}

function toColumn(values: readonly bigint[]): ExactColumn {
  const parts = values.map(exactFromBigInt);
  const hi = parts.some((part) => part.hi > 0) ? Float64Array.from(parts, (part) => part.hi) : undefined;
  return { lo: Float64Array.from(parts, ({ lo }) => lo), hi };
}

/** Tables with a row per distinct thing, in order of first sight. */
class SymbolBuilder {
  readonly #strings = new Rows<string>();
  readonly #functions = new Rows<string>();
  readonly #mappings = new Rows<string>();
  readonly #locations = new Rows<ModelLocation>();
  readonly #nodes = new Rows<[parent: number, location: number]>();
  readonly #stacks = new Rows<number>();

  constructor() {
    this.#strings.row('', '');
    this.#nodes.row('root', [0, 0]);
  }

  stack(locations: readonly ModelLocation[]): number {
    let node = 0;
    for (const location of locations) {
      const text = [location.binary, String(location.address), ...location.lines].join('\n');
      this.#mappings.row(location.binary, location.binary);
      for (const name of location.lines) this.#functions.row(name, name);
      const row = this.#locations.row(text, location);
      node = this.#nodes.row(`${node} ${row}`, [node, row]);
    }
    return this.#stacks.row(String(node), node);
  }

  build(): Symbols {
    const functions = this.#functions.list;
    const mappings = this.#mappings.list;
    const locations = this.#locations.list;
    const string = (text: string): number => this.#strings.row(text, text);
    const lines = locations.flatMap((location) => location.lines);
    const starts = [0];
    for (const location of locations) starts.push(starts.at(-1)! + location.lines.length);
    const tables = {
      functions: {
        length: functions.length,
        name: Uint32Array.from(functions, string),
        systemName: Uint32Array.from(functions, (name) => string(`_Z${name}`)),
        fileName: Uint32Array.from(functions, (name) => string(`${name}.go`)),
        startLine: Float64Array.from(functions, (name) => name.length - 3),
      },
      mappings: {
        length: mappings.length,
        start: BigUint64Array.from(mappings, () => 4096n),
        limit: BigUint64Array.from(mappings, () => 2n ** 63n + 5n),
        offset: BigUint64Array.from(mappings, () => 0n),
        fileName: Uint32Array.from(mappings, string),
        buildId: Uint32Array.from(mappings, (name) => string(`id of ${name}`)),
        flags: Uint8Array.from(mappings, () => 15),
      },
      locations: {
        length: locations.length,
        mapping: Uint32Array.from(locations, ({ binary }) => this.#mappings.row(binary, binary)),
        addressLo: Uint32Array.from(locations, ({ address }) => Number(address & 0xffffffffn)),
        addressHi: Uint32Array.from(locations, ({ address }) => Number(address >> 32n)),
        lineStart: Uint32Array.from(starts),
        lineFunction: Uint32Array.from(lines, (name) => this.#functions.row(name, name)),
        lineNumber: Float64Array.from(lines, (name) => name.length * 10),
      },
      tree: {
        length: this.#nodes.list.length,
        parent: Uint32Array.from(this.#nodes.list, ([parent]) => parent),
        location: Uint32Array.from(this.#nodes.list, ([, location]) => location),
      },
      stacks: { length: this.#stacks.list.length, node: Uint32Array.from(this.#stacks.list) },
    };
    return { strings: toStrings(this.#strings.list), ...tables };
  }
}

class Rows<T> {
  readonly list: T[] = [];
  readonly #rows = new Map<string, number>();

  row(key: string, value: T): number {
    const known = this.#rows.get(key);
    if (known !== undefined) return known;
    const row = this.list.push(value) - 1;
    this.#rows.set(key, row);
    return row;
  }
}

function toStrings(texts: readonly string[]): Symbols['strings'] {
  const encoded = texts.map((text) => new TextEncoder().encode(text));
  const offsets = [0];
  for (const bytes of encoded) offsets.push(offsets.at(-1)! + bytes.length);
  const bytes = new Uint8Array(offsets.at(-1)!);
  for (const [i, part] of encoded.entries()) bytes.set(part, offsets[i]);
  return { length: texts.length, bytes, offsets: Uint32Array.from(offsets) };
}
