import type { SpanColumns } from '@kiln/model';
import type { SymbolRemap } from '../symbols/symbol-remap.ts';
import type { DatasetSpans } from '../tables.ts';

/** Span entries of the rows of one dataset, in row order. Few profiles have any: plain arrays until they are written. */
export class RecordSpans {
  readonly #parts: { row: number; spans: SpanColumns; stack: Uint32Array }[] = [];
  readonly #types: number;
  #length = 0;

  constructor(types: number) {
    this.#types = types;
  }

  get byteLength(): number {
    return this.#length * (30 + 8 * this.#types);
  }

  /** @param remap undefined when the stacks keep their numbers. */
  add(row: number, spans: SpanColumns, remap: SymbolRemap | undefined): void {
    const stack = spans.stack.slice(0, spans.length);
    if (remap !== undefined) for (let i = 0; i < stack.length; i++) stack[i] = remap.stack(stack[i]!);
    this.#parts.push({ row, spans, stack });
    this.#length += spans.length;
  }

  columns(): DatasetSpans {
    const length = this.#length;
    const row = new Uint32Array(length);
    const stack = new Uint32Array(length);
    const spanId = new BigUint64Array(length);
    const traceIdHi = new BigUint64Array(length);
    const traceIdLo = new BigUint64Array(length);
    const values = Array.from({ length: this.#types }, () => ({
      lo: new Float64Array(length),
      hi: new Float64Array(length),
    }));
    let at = 0;
    for (const part of this.#parts) {
      const { spans } = part;
      row.fill(part.row, at, at + spans.length);
      stack.set(part.stack, at);
      spanId.set(spans.spanId.subarray(0, spans.length), at);
      traceIdHi.set(spans.traceIdHi.subarray(0, spans.length), at);
      traceIdLo.set(spans.traceIdLo.subarray(0, spans.length), at);
      for (let t = 0; t < this.#types; t++) {
        const { lo, hi } = spans.values[t]!;
        values[t]!.lo.set(lo.subarray(0, spans.length), at);
        if (hi !== undefined) values[t]!.hi.set(hi.subarray(0, spans.length), at);
      }
      at += spans.length;
    }
    return { length, row, stack, spanId, traceIdHi, traceIdLo, values };
  }
}
