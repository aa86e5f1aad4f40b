import type { ProfileLimits } from './limits.ts';
import { indexIds, type Pprof } from './pprof/decode.ts';
import { BYTES, malformed, VARINT, Wire } from './pprof/wire.ts';
import type { LabelMeaning, SampleLabels } from './sample-labels.ts';
import { StackTable } from './stack-table.ts';
import { INVALID, UNRESOLVED, type SymbolResolver } from './symbol-resolver.ts';

/** The kept samples of a profile as columns, in the order of the file. */
export interface SampleColumns {
  readonly length: number;
  /** Row of the groups of labels. */
  readonly group: Uint32Array;
  readonly stack: Uint32Array;
  /** Exact values, one pair of columns per sample type. */
  readonly lo: readonly Float64Array[];
  readonly hi: readonly Float64Array[];
  /** Of samples with a span or trace id: what their labels mean. */
  readonly ids: ReadonlyMap<number, LabelMeaning>;
  readonly truncatedStacks: number;
}

/**
 * Hot: once per sample and frame. Reads the sample messages: location ids to stack rows, values to columns, labels to groups. A sample with a negative
 * value, without any value, or with an invalid location is dropped (contract/pyroscope.md §4.4).
 * @throws KilnError `invalid_argument`.
 */
export function readSamples(
  pprof: Pprof,
  limits: ProfileLimits,
  resolver: SymbolResolver,
  labels: SampleLabels,
): SampleColumns {
  const { bytes, samples } = pprof;
  const types = pprof.sampleTypes.length;
  const count = samples.length;
  const group = new Uint32Array(count);
  const stack = new Uint32Array(count);
  const lo = Array.from({ length: types }, () => new Float64Array(count));
  const hi = Array.from({ length: types }, () => new Float64Array(count));
  const ids = new Map<number, LabelMeaning>();
  const wire = new Wire(bytes);
  const stacks = new StackTable(resolver.symbols);
  const locationIds = indexIds(pprof.locations);
  const rowOfId = locationIds.dense;
  const locationRow = resolver.locationRow;
  const maxDepth = limits.maxStacktraceDepth === 0 ? 0x7fffffff : limits.maxStacktraceDepth;
  let truncatedStacks = 0;
  let length = 0;
  let path = new Uint32Array(512);
  for (let sample = 0; sample < count; sample++) {
    const from = samples.from[sample]!;
    const to = samples.to[sample]!;
    let depth = 0;
    let values = 0;
    let isKept = true;
    let hasValue = false;
    let hasLabels = false;
    let at = from;
    while (at < to) {
      wire.at = at;
      wire.next(to);
      at = wire.at;
      const field = wire.field;
      const isRun = wire.type === BYTES;
      if (field === 1 && (isRun || wire.type === VARINT)) {
        // Packed or one by one: a run of numbers either way.
        let p = isRun ? wire.from : -1;
        const runTo = isRun ? wire.to : 0;
        if (isRun && depth + runTo - p > path.length) path = grown(path, depth + runTo - p);
        else if (depth === path.length) path = grown(path, depth + 1);
        if (!isRun) path[depth++] = locationIds.row(wire.lo, wire.hi);
        while (p >= 0 && p < runTo) {
          // Ids up to 2^14 in one or two bytes are nearly all.
          let id = bytes[p++]!;
          if (id > 127) {
            const next = p < runTo ? bytes[p]! : 255;
            if (next < 128) {
              id = (id & 127) | (next << 7);
              p++;
            } else {
              wire.at = p - 1;
              wire.varint(runTo);
              p = wire.at;
              path[depth++] = locationIds.row(wire.lo, wire.hi);
              continue;
            }
          }
          path[depth++] = rowOfId === undefined ? locationIds.row(id, 0) : id < rowOfId.length ? rowOfId[id]! : INVALID;
        }
      } else if (field === 2 && (isRun || wire.type === VARINT)) {
        const runTo = isRun ? wire.to : 0;
        let isFirst = !isRun;
        if (isRun) wire.at = wire.from;
        while (isFirst || wire.at < runTo) {
          if (!isFirst) wire.varint(runTo);
          isFirst = false;
          const low = wire.lo;
          const high = wire.hi;
          if (high >= 0x80000000) isKept = false;
          else if (values < types) {
            if (low !== 0 || high !== 0) hasValue = true;
            lo[values]![length] = (high & 0xfffff) * 4294967296 + low;
            hi[values]![length] = high >>> 20;
          }
          values++;
          if (!isRun) break;
        }
      } else if (field === 3 && isRun) hasLabels = true;
    }
    if (values !== types)
      throw malformed(`sample ${sample} has ${values} values, the profile has ${types} sample types`);
    const meaning = hasLabels ? labels.read(wire, from, to, sample) : undefined;
    if (!isKept || !hasValue) continue;
    // Locations are leaf first: too deep a stack keeps its root side.
    let leaf = 0;
    if (depth > maxDepth) {
      leaf = depth - maxDepth;
      truncatedStacks++;
    }
    let hash = depth - leaf;
    for (let i = leaf; i < depth; i++) {
      // Rows went through an unsigned column: a missing one is above any length.
      const location = path[i]!;
      let row = location < locationRow.length ? locationRow[location]! : INVALID;
      if (row === UNRESOLVED) row = resolver.resolveLocation(location);
      if (row === INVALID) {
        isKept = false;
        break;
      }
      path[i] = row;
      hash = Math.imul(hash ^ row, 0x5bd1e995);
      hash ^= hash >>> 13;
    }
    if (!isKept) continue;
    stack[length] = stacks.row(path, leaf, depth, hash);
    if (meaning !== undefined) {
      group[length] = meaning.group;
      if (meaning.hasIds) ids.set(length, meaning);
    }
    length++;
  }
  return { length, group, stack, lo, hi, ids, truncatedStacks };
}

function grown(old: Uint32Array<ArrayBuffer>, need: number): Uint32Array<ArrayBuffer> {
  const larger = new Uint32Array(Math.max(need, old.length * 2));
  larger.set(old);
  return larger;
}
