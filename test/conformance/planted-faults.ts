import type { PlantedFault } from '../support/source-copy.ts';

const formats = 'libs/formats/src';
const block = 'libs/block/src';
const query = 'libs/query/src';

/** Faults that the oracle must notice. One that no longer fits its file fails the test: rewrite it beside the code that changed. */
export const plantedFaults: readonly PlantedFault[] = [
  {
    name: 'negative values are kept',
    file: `${formats}/pprof/sample-reader.ts`,
    from: 'this.#state[sample] = hi < 0 ? NEGATIVE : KEPT;',
    to: 'this.#state[sample] = KEPT;',
  },
  {
    name: 'bits above 2^52 are lost when a value is read',
    file: `${formats}/pprof/sample-reader.ts`,
    from: 'this.#hi[slot] = high;',
    to: 'this.#hi[slot] = 0;',
  },
  {
    name: 'numeric labels count as text',
    file: `${formats}/pprof/sample-reader.ts`,
    from: 'else if (tag === NUMBER_2) text = rowOf(lo, hi);',
    to: 'else if (tag > NUMBER_1) text = 1;',
  },
  {
    name: 'too deep stacks are not cut',
    file: `${formats}/normalize.ts`,
    from: 'return maxDepth > 0 ? Math.max(from, frameStart[row + 1]! - maxDepth) : from;',
    to: 'return from;',
  },
  {
    name: 'of samples with one stack the last wins',
    file: `${formats}/sample-groups.ts`,
    from: 'let sum = lo[row]! + value;',
    to: 'let sum = value;',
  },
  {
    name: 'a sum beyond int64 is accepted',
    file: `${formats}/sample-groups.ts`,
    from: 'totalHi += hi[row]!;',
    to: 'totalHi += 0;',
  },
  {
    name: 'span ids become series labels',
    file: `${formats}/sample-labels.ts`,
    from: 'const meaning = Object.hasOwn(meanings, name) ? meanings[name]! : PLAIN;',
    to: "const meaning = name !== 'span_id' && Object.hasOwn(meanings, name) ? meanings[name]! : PLAIN;",
  },
  {
    name: 'span ids are not read',
    file: `${formats}/sample-labels.ts`,
    from: 'if (meaning === SPAN_ID) span = text;',
    to: 'if (meaning === SPAN_ID) span = 0;',
  },
  {
    name: 'sample labels win over those of the series',
    file: `${formats}/labels.ts`,
    from: 'for (const [name, value] of this.#own) merged.set(name, value);',
    to: 'for (const [name, value] of this.#own) if (!merged.has(name)) merged.set(name, value);',
  },
  {
    name: 'godeltaprof is not renamed',
    file: `${formats}/labels.ts`,
    from: "labels.set('__name__', name.slice(DELTA_PREFIX.length));",
    to: ';',
  },
  {
    name: 'Go shapes stay in names',
    file: `${formats}/go-names.ts`,
    from: 'rest = rest.slice(0, open) + rest.slice(close + 1);',
    to: 'rest = rest.slice(0, open) + rest.slice(close);',
  },
  {
    name: 'addresses of unsymbolised locations are dropped',
    file: `${formats}/symbol-resolver.ts`,
    from: 'hasLines ? 0 : addressLo,',
    to: '0,',
  },
  {
    name: 'a location without lines is invalid',
    file: `${formats}/symbol-resolver.ts`,
    from: 'if (from === to && (addressLo | addressHi) === 0) return INVALID;',
    to: 'if (from === to) return INVALID;',
  },
  {
    name: 'functions take the file for the system name',
    file: `${formats}/symbol-resolver.ts`,
    from: 'const row = this.symbols.functions.add(name, systemName, fileName, functions.startLine[index]!);',
    to: 'const row = this.symbols.functions.add(name, fileName, fileName, functions.startLine[index]!);',
  },
  {
    name: 'a dash in a sample type is accepted',
    file: `${formats}/pprof/check.ts`,
    from: ".includes('-')",
    to: ".includes('--')",
  },
  {
    name: 'counts on a page are one too high',
    file: `${block}/page/page-builder.ts`,
    from: 'const count = (scale === 1 ? value : value / scale) - 2;',
    to: 'const count = (scale === 1 ? value : value / scale) - 1;',
  },
  {
    name: 'the high part of wide values is not written',
    file: `${block}/page/page-builder.ts`,
    from: 'at = putExact(scratchC, at, lo[i]!, hi === undefined ? 0 : hi[i]!);',
    to: 'at = putExact(scratchC, at, lo[i]!, 0);',
  },
  {
    name: 'a ratio of value types is taken for all of them',
    file: `${block}/page/merge-page.ts`,
    from: 'if (t === type) factor *= ratio;',
    to: 'factor *= ratio;',
  },
  {
    name: 'unwanted rows of wide values are added',
    file: `${block}/page/merge-page.ts`,
    from: 'const want = wanted === undefined || wanted[page.firstRow + row] !== 0;',
    to: 'const want = wanted === undefined || wanted[row] !== 0 || row > 0;',
  },
  {
    name: 'times of a segment drift',
    file: `${block}/sections/row-index.ts`,
    from: 'lastDelta = i === from ? 0 : delta; // the first value is no step',
    to: 'lastDelta = 0;',
  },
  {
    name: 'runs of series are one row short',
    file: `${block}/sections/row-index.ts`,
    from: 'series.fill(numbers[i]!, at, end);',
    to: 'series.fill(numbers[0]!, at, end);',
  },
  {
    name: 'ties at the threshold are cut',
    file: `${query}/cut-tree.ts`,
    from: 'lo[node]! >= minimum.lo);',
    to: 'lo[node]! > minimum.lo);',
  },
  {
    name: 'one node more survives',
    file: `${query}/cut-tree.ts`,
    from: 'nthLargest(total.lo.slice(1, length), maxNodes)',
    to: 'nthLargest(total.lo.slice(1, length), maxNodes + 1)',
  },
  {
    name: 'other keeps its children in a flame graph',
    file: `${query}/cut-tree.ts`,
    from: 'if (isOther ? !otherIsRest : large) {',
    to: 'if (isOther ? hasOther !== undefined && large : large) {',
  },
  {
    name: 'siblings are sorted by UTF-16',
    file: `${query}/cut-tree.ts`,
    from: 'const names = sortUtf8(textOf.keys());',
    to: 'const names = [...textOf.keys()].toSorted((a, b) => (a < b ? -1 : 1));',
  },
  {
    name: 'children start under the own value of their parent',
    file: `${query}/flame-graph.ts`,
    from: 'let next = x + selfs[node]!;',
    to: 'let next = x;',
  },
  {
    name: 'tree bytes hold the first child first',
    file: `${query}/tree-bytes.ts`,
    from: 'stack[depth++] = firstChild[node]! + i;',
    to: 'stack[depth++] = firstChild[node]! + children - 1 - i;',
  },
  {
    name: 'points stand at left edges',
    file: `${query}/point-table.ts`,
    from: 'Math.ceil((time - firstMs) / stepMs)',
    to: 'Math.floor((time - firstMs) / stepMs)',
  },
  {
    name: 'the end of a range is exclusive',
    file: `${query}/point-table.ts`,
    from: 'if (time < startMs || time > endMs) continue;',
    to: 'if (time < startMs || time >= endMs) continue;',
  },
  {
    name: 'the innermost inlined line is lost',
    file: `${query}/stack-frames.ts`,
    from: 'for (let line = end - 1; line >= first; line--) {',
    to: 'for (let line = end - 1; line > first || line === end - 1 && line >= first; line--) {',
  },
  {
    name: 'the smallest series come first',
    file: `${query}/time-series.ts`,
    from: 'b.total.hi - a.total.hi || b.total.lo - a.total.lo',
    to: 'a.total.hi - b.total.hi || a.total.lo - b.total.lo',
  },
  {
    name: 'a sum that passes 2^52 loses its carry',
    file: 'libs/model/src/exact.ts',
    from: 'carry += 1;',
    to: 'carry += 0;',
  },
];
