import type { DatasetSpans, DatasetTables } from '@kiln/block';
import { ExactSums } from '@kiln/model';
import { wordsOf } from './id-set.ts';
import type { SpanConditions } from './sample-conditions.ts';
import { matchRows, matchSeries, matchTypes, type Selection } from './selection.ts';

/** Exact sums by stack row of the samples of some spans or traces, of the rows and value types that a selection wants; undefined without any. */
export function sumSpans(
  tables: DatasetTables,
  selection: Selection,
  conditions: SpanConditions,
): ExactSums | undefined {
  const { spans } = tables;
  const types = matchTypes(tables, selection);
  if (spans === undefined || types.length === 0) return undefined;
  const wanted = matchRows(tables, selection, matchSeries(tables, selection));
  if (wanted === 'none') return undefined;
  const entries = matchEntries(spans, wanted, conditions);
  if (entries.length === 0) return undefined;
  const sums = new ExactSums(tables.symbols.stacks.length);
  for (const type of types) {
    const { lo, hi } = spans.values[type]!;
    for (let i = 0; i < entries.length; i++) {
      const entry = entries[i]!;
      sums.add(spans.stack[entry]!, lo[entry]!, hi === undefined ? 0 : hi[entry]!);
    }
  }
  return sums;
}

/** The entries of wanted rows (undefined = all) that belong to some spans or traces. Hot: once per sample that has an id. An id of 0 is none. */
function matchEntries(spans: DatasetSpans, wanted: Uint8Array | undefined, { of, ids }: SpanConditions): Uint32Array {
  const { length, row } = spans;
  const found = new Uint32Array(length);
  const first = wordsOf(of === 'spans' ? spans.spanId : spans.traceIdHi);
  const second = wordsOf(spans.traceIdLo);
  let count = 0;
  for (let entry = 0; entry < length; entry++) {
    if (wanted !== undefined && wanted[row[entry]!] === 0) continue;
    const a = first[entry * 2]!;
    const b = first[entry * 2 + 1]!;
    const c = of === 'spans' ? 0 : second[entry * 2]!;
    const d = of === 'spans' ? 0 : second[entry * 2 + 1]!;
    if ((a | b | c | d) !== 0 && ids.has(a, b, c, d)) found[count++] = entry;
  }
  return found.subarray(0, count);
}
