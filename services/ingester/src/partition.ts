import type { OwnerAnswer } from '@kiln/catalog';
import { withTimeout } from '@kiln/async';
import { KilnError, type LogId } from '@kiln/model';
import { Cutter } from './cutter.ts';
import { LogFollower } from './log-follower.ts';
import { answerFrom, type Question } from './partition-answer.ts';
import { PartitionCore, type PartitionPorts } from './partition-core.ts';
import type { LostIds } from './load-ids.ts';
import type { PartitionStatus } from './partition-status.ts';

/** How long a stop waits for the store. */
const STOP_MS = 20_000;
/** How long a query waits for records that came before it: many times what a push takes to be readable, less than a person waits. */
const REACH_MS = 5_000;

/**
 * One owner of one log: follows it, keeps the head, cuts, commits, answers. Exactly the steps of design distributed.md §1.10; what they change
 * lies in PartitionState, what waits lies in LogFollower and Cutter. Plain class: a thread or a test is its shell.
 */
export class Partition {
  readonly #core: PartitionCore;
  readonly #follower: LogFollower;
  readonly #cutter: Cutter;
  #running: Promise<void> | undefined;

  constructor(ports: PartitionPorts) {
    this.#core = new PartitionCore(ports);
    this.#follower = new LogFollower(this.#core);
    this.#cutter = new Cutter(this.#core);
  }

  get logId(): LogId {
    return this.#core.ports.log.id;
  }

  /** Begins to follow; returns at once. Troubles are in `status`. */
  start(): void {
    this.#running ??= this.#run();
  }

  /**
   * Ends reading. With `cut`, what the head holds is committed first, if the store takes it within 20 s: the next start then replays nothing.
   * Without, the log has it. A call of the store that hangs is left behind.
   */
  async stop(cut = false): Promise<void> {
    const stopped = new AbortController();
    const late = this.#core.ports.clock.sleep(STOP_MS, stopped.signal).then(
      () => this.#core.stopCutting.abort(),
      () => undefined,
    );
    this.#cutter.cutsLeft = cut;
    if (!cut) this.#core.stopCutting.abort();
    this.#core.stopReading.abort();
    this.#core.bell.ring();
    this.#core.moved.ring();
    await Promise.race([this.#running, late]);
    stopped.abort();
    this.#core.stopCutting.abort();
    if (this.#core.phase !== 'failed') this.#core.phase = 'stopped';
    this.#core.ports.budget.set(this.#core.ports.slot, { openBytes: 0, frozenBytes: 0, fixedBytes: 0 });
  }

  /**
   * ANSWER of §1.10 for this log. Waits until everything up to `upTo` is consumed, 5 s at most.
   * @throws KilnError `unavailable` before it is open or after it stopped, with reason `behind` when `upTo` is not reached in time; `aborted` with
   * reason `stale_index` when the reader's T is too old.
   */
  async answer(question: Question): Promise<OwnerAnswer> {
    const { from, upTo } = question;
    if (this.#core.state.consumed < upTo) await this.#reach(upTo);
    // Nothing waits from here on.
    const { chain, consumed } = this.#core.state;
    if (this.#core.phase !== 'following' || chain === undefined) {
      const why = this.#core.trouble ?? `it is ${this.#core.phase}`;
      throw new KilnError('unavailable', `partition ${this.#core.ports.log.partition} does not answer: ${why}`);
    }
    if (chain.T > from) {
      throw new KilnError('aborted', `stale index: log ${chain.log} is trimmed up to ${chain.T}, asked from ${from}`, {
        reason: 'stale_index',
      });
    }
    if (consumed < upTo) throw this.#behind(upTo);
    return answerFrom(this.#core.state, question);
  }

  /** How it is doing; asks the log for its end. */
  async status(): Promise<PartitionStatus> {
    const { log } = this.#core.ports;
    const end = await log.endOffset().catch(() => undefined);
    const { committed, consumed, ids, lostIds, frozen, growing } = this.#core.state;
    if (end === consumed) this.#core.troubles.delete('read');
    return {
      partition: log.partition,
      logId: log.id,
      state: this.#core.phase,
      committed,
      consumed,
      lag: end === undefined ? undefined : Math.max(0, end - consumed),
      caughtUp: this.#follower.caughtUp,
      error: this.#core.trouble,
      paused: this.#core.paused,
      lostIds: lostIds.map(lostSentence),
      headBytes: (frozen?.byteLength ?? 0) + (growing?.byteLength ?? 0),
      idsBytes: ids.byteLength,
      generations: (frozen === undefined ? 0 : 1) + (growing === undefined ? 0 : 1),
      counts: { ...this.#core.counts, copiesDropped: ids.dropped },
    };
  }

  /** Returns when H has reached `upTo`, when it is too late, or when waiting does not help. */
  async #reach(upTo: number): Promise<void> {
    const core = this.#core;
    await withTimeout(core.ports.clock, REACH_MS, 'reading the log', async (signal) => {
      const goesOn = (): boolean => core.phase === 'following' && !core.stopReading.signal.aborted && !signal.aborted;
      while (goesOn() && core.state.consumed < upTo) await core.moved.wait();
    }).catch(() => undefined);
  }

  #behind(upTo: number): KilnError {
    const { state, paused, trouble, ports, stopReading } = this.#core;
    const why = stopReading.signal.aborted ? 'it is stopping' : (trouble ?? paused ?? 'it is reading them');
    return new KilnError(
      'unavailable',
      `partition ${ports.log.partition} has ${upTo - state.consumed} records of its log still to read (${why}): an answer now would lack them, try again`,
      { reason: 'behind', retryAfterSeconds: 1 },
    );
  }

  async #run(): Promise<void> {
    void this.#watchBudget();
    try {
      await Promise.all([this.#follower.run(), this.#cutter.run()]);
    } catch (error) {
      this.#core.fail(error);
    }
  }

  async #watchBudget(): Promise<void> {
    while (!this.#core.stopReading.signal.aborted) {
      await this.#core.ports.budget.changed();
      this.#core.bell.ring();
    }
  }
}

function lostSentence({ object, why, untilMs }: LostIds): string {
  const until = new Date(untilMs).toISOString();
  return `the ids of object ${object} are lost (${why}): a profile in it that is sent again before ${until} may count twice, and answers say so`;
}
