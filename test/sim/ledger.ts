import type { LogId, TenantId } from '@kiln/model';

/** A profile that was sent, recognised by its name, with one value. */
export interface Mark {
  readonly tenant: TenantId;
  readonly service: string;
  readonly name: string;
  readonly value: number;
  readonly timeMs: number;
  readonly sentMs: number;
  readonly partition: number;
  acknowledged: boolean;
  /** How often the log may keep it: once, and once more for each copy beyond the duplicate window. */
  kept: number;
  keptMs: number;
  /** The log that has the last of them: ids are known in one log only (I5). */
  keptIn: LogId | undefined;
  /** How many copies were kept in all logs when its last one was. */
  keptAt: number;
  /** What the last whole answer of a reader that is not late said of it. */
  seen: Seen | undefined;
}

interface Seen {
  readonly answer: number;
  readonly kept: number;
  readonly times: number;
}

/** What an answer said: the sum by name of a mark, and whether it says that something may be missing. */
export interface Sums {
  readonly sums: ReadonlyMap<string, number>;
  readonly flagged: boolean;
  /** What may be missing, for people. */
  readonly why: string;
}

/** When an answer was asked for, as far as the judge needs it. */
export interface Question {
  /** How many profiles were acknowledged then. */
  readonly acknowledged: number;
  /** How many copies were kept in all logs then, and how many answers were judged. */
  readonly kept: number;
  readonly answers: number;
  /** Profiles that are older may be past retention by somebody's clock. */
  readonly sinceMs: number;
  /** Profiles that are older are past retention by everybody's clock. */
  readonly untilMs: number;
  /** Set where what is oldest goes for room. */
  readonly room?: {
    readonly mayBeGone: (mark: Mark) => boolean;
    /** Whether the reader always sees what is stored now: what has gone does not come back. */
    readonly isFresh: boolean;
  };
}

/** What was sent and acknowledged: the judge of every answer. It knows nothing of manifests, blocks and marks of offsets. */
export class Ledger {
  readonly marks: Mark[] = [];
  readonly #byName = new Map<string, Mark>();
  readonly #inRecord = new WeakMap<Uint8Array, readonly Mark[]>();
  /** In the order of their acknowledgement. */
  readonly #acknowledged: Mark[] = [];
  windowMs = 0;
  #kept = 0;
  #answers = 0;

  add(mark: Mark): void {
    this.marks.push(mark);
    this.#byName.set(mark.name, mark);
  }

  /** Says what a record holds. */
  wrote(record: Uint8Array, marks: readonly Mark[]): void {
    this.#inRecord.set(record, marks);
  }

  acknowledge(marks: readonly Mark[]): void {
    for (const mark of marks) {
      if (!mark.acknowledged) this.#acknowledged.push(mark);
      mark.acknowledged = true;
    }
  }

  /** A record is in a log, with this stamp: the rule of the duplicate window, once more. @returns how many copies came. */
  appended(log: LogId, record: Uint8Array, appendMs: number): number {
    let copies = 0;
    for (const mark of this.#inRecord.get(record) ?? []) {
      if (mark.kept > 0) copies++;
      if (mark.keptIn === log && appendMs - mark.keptMs < this.windowMs) continue;
      mark.kept++;
      mark.keptIn = log;
      mark.keptMs = appendMs;
      mark.keptAt = ++this.#kept;
    }
    return copies;
  }

  /** What an answer that is asked for now is judged by. */
  get now(): Pick<Question, 'acknowledged' | 'kept' | 'answers'> {
    return { acknowledged: this.#acknowledged.length, kept: this.#kept, answers: this.#answers };
  }

  /** What is wrong with an answer to a tenant; undefined when nothing is. */
  judge(tenant: TenantId, answer: Sums, question: Question): string | undefined {
    const { sums, flagged } = answer;
    const { acknowledged, sinceMs, untilMs, room } = question;
    for (const [name, value] of sums) {
      const mark = this.#byName.get(name);
      if (mark === undefined) return `I3: an answer to ${tenant} has ${name}, which nobody sent`;
      if (mark.tenant !== tenant) return `I8: an answer to ${tenant} has ${name} of ${mark.tenant}`;
      if (mark.timeMs < untilMs) return `an answer to ${tenant} has ${name} of ${mark.timeMs}, which is past retention`;
      const times = value / mark.value;
      if (Number.isInteger(times) && times >= 1 && times <= mark.kept) continue;
      return `I3, I5: ${tenant} gets ${value} for ${name}, which was sent as ${mark.value} and counts ${mark.kept} times at most`;
    }
    const back = room?.isFresh === true ? this.#comesBack(tenant, answer, question) : undefined;
    if (flagged || back !== undefined) return back;
    for (const mark of this.#acknowledged.slice(0, acknowledged)) {
      if (mark.tenant !== tenant || mark.timeMs < sinceMs || sums.has(mark.name)) continue;
      if (room?.mayBeGone(mark)) continue;
      return `I1, I3: an answer to ${tenant} that says it is whole lacks ${mark.name} (time ${mark.timeMs}, partition ${mark.partition})`;
    }
    return undefined;
  }

  /** No mark has more copies than in the whole answer before, unless the log kept more of it since. */
  #comesBack(tenant: TenantId, { sums, flagged }: Sums, { kept, answers, sinceMs }: Question): string | undefined {
    const answer = ++this.#answers;
    for (const mark of this.marks) {
      if (mark.tenant !== tenant || mark.timeMs < sinceMs || mark.kept === 0 || mark.keptAt > kept) continue;
      const times = (sums.get(mark.name) ?? 0) / mark.value;
      const { seen } = mark;
      if (seen?.kept === mark.kept && seen.answer <= answers && seen.times < times)
        return `${tenant} gets ${mark.name} ${times} times, and got it ${seen.times} times before`;
      if (!flagged) mark.seen = { answer, kept: mark.kept, times };
    }
    return undefined;
  }
}
