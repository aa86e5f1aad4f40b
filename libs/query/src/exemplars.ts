import { exactToBigInt, INT64_HI, type Label } from '@kiln/model';
import { profileUuid } from './ids.ts';
import { refuseAboveInt64 } from './int64.ts';
import type { QueryRange } from './query.ts';
import type { ValueTable } from './value-table.ts';

/** One value of a point or cell, and where it comes from. An id that it has not is ''. */
export interface Exemplar {
  /** The profile's own time. */
  readonly timeMs: number;
  readonly value: bigint;
  /** A UUID; '' for a span. */
  readonly profileId: string;
  /** 16 hex digits. */
  readonly spanId: string;
  /** 32 hex digits. */
  readonly traceId: string;
  /** Those of its series that the group does not tell. */
  readonly labels: readonly Label[];
}

/** Of each point the largest value; of equal ones the earliest, then that of the smallest id. */
export class LargestValues {
  readonly #values: ValueTable;
  readonly #range: QueryRange;
  /** By group, then by the time of the point: an entry of the table. */
  readonly #best = new Map<number, Map<number, number>>();

  constructor(values: ValueTable, query: QueryRange & { readonly stepMs: number }) {
    this.#values = values;
    this.#range = query;
    const { group, timeMs } = values;
    for (let entry = 0; entry < values.length; entry++) {
      let ofGroup = this.#best.get(group[entry]!);
      if (ofGroup === undefined) this.#best.set(group[entry]!, (ofGroup = new Map<number, number>()));
      const at = rightEdge(timeMs[entry]!, query);
      const known = ofGroup.get(at);
      if (known === undefined || isLarger(values, entry, known)) ofGroup.set(at, entry);
    }
  }

  of(group: number, timeMs: number): Exemplar | undefined {
    const entry = this.#best.get(group)?.get(timeMs);
    return entry === undefined ? undefined : toExemplar(this.#values, entry, this.#range);
  }
}

/** The end of the time step that holds a time, `startMs` for what lies before. */
export function rightEdge(timeMs: number, { startMs, stepMs }: { startMs: number; stepMs: number }): number {
  return timeMs <= startMs ? startMs : startMs + Math.ceil((timeMs - startMs) / stepMs) * stepMs;
}

/** Whether an entry is the better exemplar of two. */
export function isLarger({ lo, hi, timeMs, ids, words }: ValueTable, entry: number, than: number): boolean {
  if (hi[entry] !== hi[than]) return hi[entry]! > hi[than]!;
  if (lo[entry] !== lo[than]) return lo[entry]! > lo[than]!;
  if (timeMs[entry] !== timeMs[than]) return timeMs[entry]! < timeMs[than]!;
  for (let word = 0; word < words; word++) {
    const [a, b] = [ids[entry * words + word]!, ids[than * words + word]!];
    if (a !== b) return a < b;
  }
  return false;
}

/** @throws KilnError `out_of_range` for a value above int64. */
export function toExemplar(values: ValueTable, entry: number, range: QueryRange): Exemplar {
  const { lo, hi, timeMs, ids, words } = values;
  if (hi[entry]! >= INT64_HI) refuseAboveInt64(lo[entry]!, hi[entry]!, range);
  const id = Array.from(ids.subarray(entry * words, (entry + 1) * words), hexWord).join('');
  const isSpan = values.of === 'spans';
  const traceId = id.slice(16);
  return {
    timeMs: timeMs[entry]!,
    value: exactToBigInt(lo[entry]!, hi[entry]!),
    profileId: isSpan ? '' : profileUuid(id),
    spanId: isSpan ? id.slice(0, 16) : '',
    traceId: traceId === NO_TRACE ? '' : traceId,
    labels: values.list(values.labels[entry]!),
  };
}

const NO_TRACE = '0'.repeat(32);

function hexWord(word: number): string {
  return word.toString(16).padStart(8, '0');
}
