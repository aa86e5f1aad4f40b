import { KilnError, type Label } from '@kiln/model';
import type { ProfileLimits } from './limits.ts';
import { textOf } from './pprof/check.ts';
import type { Pprof } from './pprof/decode.ts';
import { BYTES, malformed, VARINT, type Wire } from './pprof/wire.ts';
import type { SymbolResolver } from './symbol-resolver.ts';

/** What the string labels of a sample come to. */
export interface LabelMeaning {
  /** Row of `SampleLabels.groups`. */
  readonly group: number;
  readonly hasIds: boolean;
  readonly spanId: bigint;
  readonly traceIdHi: bigint;
  readonly traceIdLo: bigint;
}

const NOTHING: LabelMeaning = { group: 0, hasIds: false, spanId: 0n, traceIdHi: 0n, traceIdLo: 0n };
const ID_NAMES = ['profile_id', 'span_id', 'trace_id'];

/**
 * The string labels of samples: those that become series labels, by group, and span and trace ids (contract/pyroscope.md §4.5). Numeric labels are
 * dropped. What a run of (key, string) rows means is worked out once and remembered, so a sample costs a hash of its pairs.
 */
export class SampleLabels {
  /** The series labels of each group, sorted; group 0 has none. */
  readonly groups: Label[][] = [[]];
  readonly #pprof: Pprof;
  readonly #limits: ProfileLimits;
  readonly #resolver: SymbolResolver;
  readonly #groupOf = new Map<string, number>();
  readonly #meanings = new Map<number, { pairs: Int32Array; meaning: LabelMeaning }[]>();
  #pairs = new Int32Array(32);
  #key = 0;
  #str = 0;

  constructor(pprof: Pprof, limits: ProfileLimits, resolver: SymbolResolver) {
    this.#pprof = pprof;
    this.#limits = limits;
    this.#resolver = resolver;
  }

  /**
   * Hot where samples have labels. Reads the label fields of the sample message [from, to).
   * @throws KilnError `invalid_argument` for a row outside the string table or too many labels.
   */
  read(wire: Wire, from: number, to: number, sample: number): LabelMeaning {
    const strings = this.#pprof.strings.length;
    let labels = 0;
    let length = 0;
    let hash = 0;
    wire.at = from;
    while (wire.next(to)) {
      if (wire.field !== 3 || wire.type !== BYTES) continue;
      labels++;
      const labelTo = wire.to;
      wire.at = wire.from;
      this.#readLabel(wire, labelTo);
      const key = this.#key;
      const str = this.#str;
      if (key < 0 || key >= strings || str < 0 || str >= strings) {
        const found = key < 0 || key >= strings ? key : str;
        throw malformed(`sample label string index out of range: ${found}, the string table has ${strings}`);
      }
      if (str === 0) continue;
      if (length + 2 > this.#pairs.length) this.#pairs = grown(this.#pairs);
      this.#pairs[length++] = key;
      this.#pairs[length++] = str;
      hash = (Math.imul(hash ^ key, 0x01000193) ^ Math.imul(str, 0x9e3779b1)) | 0;
    }
    const limit = this.#limits.maxStacktraceSampleLabels;
    if (limit > 0 && labels > limit) {
      throw new KilnError(
        'invalid_argument',
        `sample ${sample} has ${labels} labels, limit ${limit} (max_profile_stacktrace_sample_labels)`,
        {
          reason: 'sample_labels_limit',
        },
      );
    }
    return length === 0 ? NOTHING : this.#meaningOf(hash, length);
  }

  #readLabel(wire: Wire, to: number): void {
    this.#key = 0;
    this.#str = 0;
    while (wire.next(to)) {
      if (wire.type !== VARINT) continue;
      if (wire.field === 1) this.#key = wire.index();
      else if (wire.field === 2) this.#str = wire.index();
    }
  }

  #meaningOf(hash: number, length: number): LabelMeaning {
    const pairs = this.#pairs;
    let bucket = this.#meanings.get(hash);
    if (bucket === undefined) this.#meanings.set(hash, (bucket = []));
    for (const known of bucket) {
      let i = known.pairs.length === length ? 0 : length + 1;
      while (i < length && known.pairs[i] === pairs[i]) i++;
      if (i === length) return known.meaning;
    }
    const meaning = this.#workOut(length);
    bucket.push({ pairs: pairs.slice(0, length), meaning });
    return meaning;
  }

  #workOut(length: number): LabelMeaning {
    const labels = new Map<string, string>();
    for (let i = 0; i < length; i += 2)
      labels.set(textOf(this.#pprof, this.#pairs[i]!), this.#value(this.#pairs[i + 1]!));
    const span = labels.get('profile_id') ?? labels.get('span_id');
    const trace = labels.get('trace_id');
    for (const name of ID_NAMES) labels.delete(name);
    // An id that is not hex of its length is no id, and no label either: it would make a series per request.
    const isTrace = trace !== undefined && /^[0-9a-fA-F]{32}$/.test(trace);
    const spanId = span !== undefined && /^[0-9a-fA-F]{16}$/.test(span) ? BigInt(`0x${span}`) : 0n;
    const traceIdHi = isTrace ? BigInt(`0x${trace.slice(0, 16)}`) : 0n;
    const traceIdLo = isTrace ? BigInt(`0x${trace.slice(16)}`) : 0n;
    return {
      group: this.#groupFor(labels),
      hasIds: (spanId | traceIdHi | traceIdLo) !== 0n,
      spanId,
      traceIdHi,
      traceIdLo,
    };
  }

  #groupFor(labels: ReadonlyMap<string, string>): number {
    if (labels.size === 0) return 0;
    const sorted = Array.from(labels, ([name, value]) => ({ name, value })).sort((a, b) => (a.name < b.name ? -1 : 1));
    const key = JSON.stringify(sorted);
    let group = this.#groupOf.get(key);
    if (group === undefined) this.#groupOf.set(key, (group = this.groups.push(sorted) - 1));
    return group;
  }

  #value(row: number): string {
    const { bytes, strings } = this.#pprof;
    const to = strings.to[row]!;
    return decoder.decode(bytes.subarray(this.#resolver.tailStart(bytes, strings.from[row]!, to), to));
  }
}

const decoder = new TextDecoder('utf-8', { ignoreBOM: true });

function grown(old: Int32Array<ArrayBuffer>): Int32Array<ArrayBuffer> {
  const larger = new Int32Array(old.length * 2);
  larger.set(old);
  return larger;
}
