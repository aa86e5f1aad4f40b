import { RecordReader, type LogRecord } from '@kiln/block';
import { quarantineRecord, registerLog } from '@kiln/catalog';
import { KilnError } from '@kiln/model';
import type { LogEntry } from '@kiln/partition-log';
import { loadClosedIds, loadIds } from './load-ids.ts';
import { hopeless, type PartitionCore } from './partition-core.ts';

/** Readings from H + 1 that may deliver a later offset while the log says it still has H + 1. */
const REREADS = 5;
/** Times that a record may break for another reason than its bytes (memory, a fault of the program) before it counts as unreadable. */
const TRIES = 3;
/** How wrong a clock may be. */
const CLOCK_ERROR_MS = 3_600_000;
/** Record bytes after which other work of the thread gets a turn. */
const TURN_BYTES = 1 << 20;

/** The reading half of a partition: OPEN, NEXT and the rule for gaps (design: distributed.md §1.6, §1.10). */
export class LogFollower {
  readonly #core: PartitionCore;
  /** A record is in the head, or given up, before the next one is read. */
  readonly #records: RecordReader;
  #rereads = 0;
  /** End of the log when it was opened: reading up to here is the replay. */
  #replayTo = -1;
  /** The offset whose record broke last, how often, and the kind of error. Never its message: gaps are shown to every tenant. */
  #broken = { offset: -1, times: 0, kind: '' };

  constructor(core: PartitionCore) {
    this.#core = core;
    this.#records = new RecordReader(core.ports.codecs);
  }

  /** Whether everything that was in the log at the start has been consumed. */
  get caughtUp(): boolean {
    return this.#core.phase === 'following' && this.#core.state.consumed >= this.#replayTo;
  }

  /** Opens, then reads on from H + 1 until stopped, whatever the log does meanwhile. */
  async run(): Promise<void> {
    const { signal } = this.#core.stopReading;
    while (!signal.aborted) {
      if (this.#core.phase === 'opening') await this.#core.untilDone('open', () => this.#open());
      else await this.#core.untilDone('read', () => this.#readOn());
    }
  }

  /** OPEN. @throws KilnError `failed_precondition` when the log may not be followed. */
  async #open(): Promise<void> {
    const { log, codecs } = this.#core.ports;
    // Opened anew, it had been registered: a register that is lost since is not made anew, or what blocks hold would be read from the log once more.
    const known = this.#core.state.chain === undefined ? -1 : await log.endOffset();
    await registerLog(
      this.#core.catalog,
      { log: log.id, partition: log.partition, end: known },
      { signal: this.#core.stopReading.signal },
    );
    const chain = await this.#core.readChain();
    const closed = await loadClosedIds(this.#core.catalog, codecs, log.id, log.partition);
    const appendMs = Math.max(closed.appendMs, chain.tip?.aMax ?? 0);
    const own = await loadIds(this.#core.catalog, codecs, chain.manifests, appendMs);
    const end = await log.endOffset();
    if (end < chain.E) {
      throw new KilnError(
        'failed_precondition',
        `log ${log.id} ends at offset ${end}, but its manifests reach ${chain.E}: the log directory is older than the objects, or was replaced; ` +
          `put the right one back, or give up what the log has lost with: kiln log close ${log.id} (runbook: log end below manifest tip)`,
      );
    }
    const loaded = { kept: [...closed.kept, ...own.kept], lost: [...closed.lost, ...own.lost] };
    this.#core.state.open(chain, loaded, appendMs);
    this.#replayTo = end;
    this.#core.phase = 'following';
    this.#core.account();
    await this.#core.trimLog();
  }

  async #readOn(): Promise<void> {
    await this.#passLostEnd();
    const stop = new AbortController();
    const signal = AbortSignal.any([this.#core.stopReading.signal, stop.signal]);
    try {
      await this.#consume(this.#core.ports.log.read(this.#core.state.consumed + 1, signal));
    } finally {
      stop.abort();
    }
  }

  /** Returns when reading has to start again. */
  async #consume(batches: AsyncIterable<LogEntry[]>): Promise<void> {
    let bytes = 0;
    for await (const batch of batches) {
      for (const entry of batch) {
        await this.#room();
        if (this.#core.stopReading.signal.aborted || !(await this.#next(entry))) return;
        this.#core.troubles.delete('read');
        bytes += entry.record?.byteLength ?? 0;
        if (bytes > TURN_BYTES) {
          bytes = 0;
          await this.#core.ports.clock.sleep(0);
        }
      }
    }
    if (!this.#core.stopReading.signal.aborted)
      throw new KilnError('unavailable', 'the log stopped delivering: it was closed');
  }

  /** NEXT. @returns false when reading has to start again from H + 1. */
  async #next(entry: LogEntry): Promise<boolean> {
    const state = this.#core.state;
    if (entry.offset > state.consumed + 1 && !(await this.#jump(entry))) return false;
    if (entry.offset <= state.consumed) return true; // consumed, or covered by a manifest, meanwhile
    const record = this.#decode(entry);
    if (record === undefined) await this.#quarantine(entry);
    if (entry.offset !== state.consumed + 1) return entry.offset <= state.consumed;
    const nowMs = this.#core.ports.clock.nowMs();
    const fresh = state.growing === undefined;
    if (record === undefined) this.#passOver(entry.offset, entry.offset, this.#reasonOf(entry), entry, nowMs);
    else if (!this.#take(entry, record, nowMs)) return false;
    this.#rereads = 0;
    this.#core.counts.records++;
    this.#core.account();
    this.#core.moved.ring();
    if (fresh || this.#core.isFull(state.growing)) this.#core.bell.ring();
    return true;
  }

  /**
   * Adds a record to the head. One that breaks half-way leaves its first rows behind, so the partition lets go of everything and opens anew; a
   * record that breaks each time it comes goes to quarantine.
   */
  #take(entry: LogEntry, record: LogRecord, nowMs: number): boolean {
    const rows = this.#core.state.growing?.head.rows ?? 0;
    try {
      this.#core.state.take(entry, record, nowMs);
    } catch (error) {
      this.#note(entry.offset, error);
      this.#core.phase = 'opening';
      this.#core.state.reset();
      this.#core.moved.ring();
      return false;
    }
    this.#core.counts.rows += (this.#core.state.growing?.head.rows ?? 0) - rows;
    return true;
  }

  #decode(entry: LogEntry): LogRecord | undefined {
    if (entry.record === undefined || this.#isUnreadable(entry.offset)) return undefined;
    try {
      return this.#records.read(entry.record);
    } catch (error) {
      if (hopeless(error)) throw error; // written by a newer version: nothing is wrong with it
      this.#note(entry.offset, error);
      if (nameOf(error) === 'CorruptDataError' || this.#isUnreadable(entry.offset)) return undefined;
      throw error;
    }
  }

  #note(offset: number, error: unknown): void {
    const times = offset === this.#broken.offset ? this.#broken.times + 1 : 1;
    this.#broken = { offset, times, kind: nameOf(error) };
  }

  #isUnreadable(offset: number): boolean {
    return offset === this.#broken.offset && this.#broken.times >= TRIES;
  }

  /** Goes on only when the bytes are stored; a frame without bytes has nothing to keep. */
  async #quarantine({ offset, record }: LogEntry): Promise<void> {
    if (record === undefined) return;
    this.#core.paused = `record ${offset} cannot be decoded and is being put into quarantine`;
    const { log } = this.#core.ports;
    await quarantineRecord(
      this.#core.catalog,
      { log: log.id, offset, record },
      { signal: this.#core.stopReading.signal },
    );
    this.#core.paused = undefined;
    this.#core.counts.quarantined++;
  }

  /** Gaps (§1.6): an offset above H + 1. @returns false when the log is to be read again. */
  async #jump(entry: LogEntry): Promise<boolean> {
    const { log, clock } = this.#core.ports;
    const state = this.#core.state;
    if ((await log.startOffset()) <= state.consumed + 1) {
      if (++this.#rereads > REREADS) {
        throw new KilnError(
          'data_loss',
          `log ${log.id} says it holds offset ${state.consumed + 1} but delivers ${entry.offset} after it ${REREADS} times: not skipping what may be readable`,
        );
      }
      return false;
    }
    await this.#core.learn(await this.#core.readChain());
    const first = state.consumed + 1;
    if (entry.offset > first) {
      this.#passOver(first, entry.offset - 1, 'the log no longer held these records', entry, clock.nowMs());
    }
    return true;
  }

  /**
   * Gaps (§1.6) behind which nothing has come yet: the log ends above H and holds nothing of it, so no entry will show the jump. Without this every
   * query would wait for those offsets until somebody pushes.
   */
  async #passLostEnd(): Promise<void> {
    const { log, clock } = this.#core.ports;
    const state = this.#core.state;
    const end = await log.endOffset();
    if (end <= state.consumed || (await log.startOffset()) <= end) return;
    await this.#core.learn(await this.#core.readChain());
    if (end <= state.consumed) return;
    const last: LogEntry = { offset: end, appendMs: 0, record: undefined };
    this.#passOver(state.consumed + 1, end, 'the log no longer held these records', last, clock.nowMs());
    this.#core.moved.ring();
    this.#core.bell.ring();
  }

  #passOver(first: number, last: number, reason: string, entry: LogEntry, nowMs: number): void {
    this.#core.state.pass(
      { after: first - 1, upTo: last, reason, ...this.#timesAround(first, entry, nowMs) },
      last === entry.offset ? entry.appendMs : 0,
      last === entry.offset ? (entry.record?.byteLength ?? 0) : 0,
      nowMs,
    );
    this.#core.counts.gaps++;
  }

  /**
   * Between which append times a gap lies that ends at or right before `entry`; a start of 0 is not known. A damaged frame has no stamp of its own
   * (the log gives the one before it, which may be hours old), and the clock may have been set back since it was written; a stamp in the future tells that
   * the clock was ahead, so it bounds nothing.
   */
  #timesAround(first: number, entry: LogEntry, nowMs: number): { fromMs: number; toMs: number } {
    const isStamped = entry.record !== undefined;
    const fromMs = isStamped && first === entry.offset ? entry.appendMs : this.#core.state.appendMs;
    const toMs = isStamped ? entry.appendMs : nowMs + CLOCK_ERROR_MS;
    return { fromMs: fromMs > nowMs ? 0 : fromMs, toMs: Math.max(fromMs, toMs) };
  }

  #reasonOf({ record }: LogEntry): string {
    return record === undefined
      ? 'the frame of this record in the log is damaged'
      : `this record cannot be decoded; its bytes are in quarantine (${this.#broken.kind})`;
  }

  /** Waits while both generations are full, or the process is over its budget. */
  async #room(): Promise<void> {
    for (;;) {
      const ring = this.#core.bell.wait();
      this.#core.paused = this.#pauseReason();
      if (this.#core.paused === undefined || this.#core.stopReading.signal.aborted) return;
      await ring;
    }
  }

  #pauseReason(): string | undefined {
    const { frozen, growing } = this.#core.state;
    const { budget } = this.#core.ports;
    if (frozen !== undefined && this.#core.isFull(growing)) {
      return 'both generations are full: waiting until the object store takes the frozen one';
    }
    return budget.over ? `${budget.reason}: waiting for a cut` : undefined;
  }
}

function nameOf(error: unknown): string {
  return error instanceof Error ? error.name : typeof error;
}
