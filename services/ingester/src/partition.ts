import type { Clock, Random } from '@kiln/async';
import { decodeRecord, type Codecs, type LogRecord } from '@kiln/block';
import {
  commitCut,
  quarantineRecord,
  readChain,
  registerLog,
  type Catalog,
  type Chain,
  type KillPoint,
} from '@kiln/catalog';
import { KilnError, type LogId, type TenantId } from '@kiln/model';
import type { ObjectStore } from '@kiln/objstore';
import type { LogEntry, OpenLog } from '@kiln/partition-log';
import type { Query, QueryLimits } from '@kiln/query';
import { Bell } from './bell.ts';
import type { Budget } from './budget.ts';
import type { Generation } from './generation.ts';
import { loadClosedIds, loadIds } from './load-ids.ts';
import { answerFrom, type PartitionAnswer } from './partition-answer.ts';
import { PartitionState } from './partition-state.ts';
import type { PartitionCounts, PartitionStatus } from './partition-status.ts';
import { encodeSegment, gapsAbove } from './segment.ts';
import { watchedStore } from './watched-store.ts';

/** When a generation is cut (design: distributed.md §1.6, Cuts). */
export interface CutSettings {
  readonly maxAgeMs: number;
  /** Estimated bytes of the segment. */
  readonly maxBytes: number;
  /** Bytes of log records: the bound of a replay. */
  readonly maxLogBytes: number;
}

/** What a partition stands on. */
export interface PartitionPorts {
  readonly log: OpenLog;
  readonly objects: ObjectStore;
  readonly codecs: Codecs;
  readonly clock: Clock;
  /** Names segments, seeds tables, spreads retries: no two processes may share its seed. */
  readonly random: Random;
  readonly budget: Budget;
  /** This partition's place in the budget. */
  readonly slot: number;
  readonly cuts: CutSettings;
  /** This process, for people who read manifests. */
  readonly writer: string;
  /** Called between the steps of a cut: those of `commitCut`, then `after-drop`. */
  readonly killPoint?: KillPoint | undefined;
}

const RETRY_BASE_MS = 100;
const RETRY_MAX_MS = 10_000;
/** Readings from H + 1 that may deliver a later offset while the log says it still has H + 1. */
const REREADS = 5;
/** Record bytes after which other work of the thread gets a turn. */
const TURN_BYTES = 1 << 20;
/** How long a stop that cuts waits for the store. */
const STOP_MS = 20_000;

/**
 * One owner of one log: follows it, keeps the head, cuts, commits, answers. Exactly the steps of design distributed.md §1.10; what they change
 * lies in PartitionState, what waits lies here. Plain class: a thread or a test is its shell.
 */
export class Partition {
  readonly #ports: PartitionPorts;
  readonly #catalog: Catalog;
  readonly #state: PartitionState;
  /** Rings when a cut may be due, room may have come, or it is time to stop. */
  readonly #bell = new Bell();
  readonly #stopReading = new AbortController();
  readonly #stopCutting = new AbortController();
  readonly #counts: Omit<PartitionCounts, 'copiesDropped'> = {
    records: 0,
    rows: 0,
    cuts: 0,
    cutFailures: 0,
    gaps: 0,
    quarantined: 0,
  };
  #phase: PartitionStatus['state'] = 'opening';
  /** Whether a stop commits what is left. */
  #cutsLeft = true;
  /** What goes wrong now, by where; an entry goes when that place works again. */
  readonly #troubles = new Map<'open' | 'read' | 'cut' | 'trim' | 'store', unknown>();
  #fatal: KilnError | undefined;
  #paused: string | undefined;
  #rereads = 0;
  /** End of the log when it was opened: reading up to here is the replay. */
  #replayTo = -1;
  /** An offset whose rows could not be added to the head: it goes to quarantine when it comes again. */
  #poisoned = -1;
  #running: Promise<void> | undefined;

  constructor(ports: PartitionPorts) {
    this.#ports = ports;
    this.#catalog = {
      objects: watchedStore(ports.objects, (error) => this.#storeEnded(error)),
      crc32: (bytes, seed) => ports.codecs.crc32(bytes, seed),
      clock: ports.clock,
      random: ports.random,
    };
    this.#state = new PartitionState(ports.codecs, Math.floor(ports.random() * 4294967296));
  }

  get logId(): LogId {
    return this.#ports.log.id;
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
    const late = this.#ports.clock.sleep(STOP_MS, stopped.signal).then(
      () => this.#stopCutting.abort(),
      () => undefined,
    );
    this.#cutsLeft = cut;
    if (!cut) this.#stopCutting.abort();
    this.#stopReading.abort();
    this.#bell.ring();
    await Promise.race([this.#running, late]);
    stopped.abort();
    this.#stopCutting.abort();
    if (this.#phase !== 'failed') this.#phase = 'stopped';
    this.#ports.budget.set(this.#ports.slot, { openBytes: 0, frozenBytes: 0, fixedBytes: 0 });
  }

  /**
   * ANSWER of §1.10 for this log.
   * @param from max(W, T) as the reader knows them.
   * @throws KilnError `unavailable` before it is open or after it stopped; `aborted` with reason `stale_index` when the reader's T is too old.
   */
  answer(tenant: TenantId, query: Query, from: number, limits: QueryLimits = {}): PartitionAnswer {
    const { chain } = this.#state;
    if (this.#phase !== 'following' || chain === undefined) {
      const why = this.#trouble() ?? `it is ${this.#phase}`;
      throw new KilnError('unavailable', `partition ${this.#ports.log.partition} does not answer: ${why}`);
    }
    if (chain.T > from) {
      throw new KilnError('aborted', `stale index: log ${chain.log} is trimmed up to ${chain.T}, asked from ${from}`, {
        reason: 'stale_index',
      });
    }
    return answerFrom(this.#state, { tenant, query, from, limits });
  }

  /** How it is doing; asks the log for its end. */
  async status(): Promise<PartitionStatus> {
    const { log } = this.#ports;
    const end = await log.endOffset().catch(() => undefined);
    const { committed, consumed, ids, frozen, growing } = this.#state;
    if (end === consumed) this.#troubles.delete('read');
    return {
      partition: log.partition,
      logId: log.id,
      state: this.#phase,
      committed,
      consumed,
      lag: end === undefined ? undefined : Math.max(0, end - consumed),
      caughtUp: this.#phase === 'following' && consumed >= this.#replayTo,
      error: this.#trouble(),
      paused: this.#paused,
      headBytes: (frozen?.byteLength ?? 0) + (growing?.byteLength ?? 0),
      idsBytes: ids.byteLength,
      generations: (frozen === undefined ? 0 : 1) + (growing === undefined ? 0 : 1),
      counts: { ...this.#counts, copiesDropped: ids.dropped },
    };
  }

  async #run(): Promise<void> {
    void this.#watchBudget();
    try {
      await Promise.all([this.#follow(), this.#cutLoop()]);
    } catch (error) {
      this.#fail(error);
    }
  }

  /** OPEN. @throws KilnError `failed_precondition` when the log may not be followed. */
  async #open(): Promise<void> {
    const { log, codecs } = this.#ports;
    await registerLog(this.#catalog, { log: log.id, partition: log.partition }, { signal: this.#stopReading.signal });
    const chain = await this.#chain();
    const closed = await loadClosedIds(this.#catalog, codecs, log.id, log.partition);
    const appendMs = Math.max(closed.appendMs, chain.tip?.aMax ?? 0);
    const own = await loadIds(this.#catalog, codecs, chain.manifests, appendMs);
    const end = await log.endOffset();
    if (end < chain.E) {
      throw new KilnError(
        'failed_precondition',
        `log ${log.id} ends at offset ${end}, but its manifests reach ${chain.E}: the log directory is older than the objects, or was replaced; ` +
          `put the right one back, or give up what the log has lost with: kiln log close ${log.id} (runbook: log end below manifest tip)`,
      );
    }
    this.#state.open(chain, [...closed.kept, ...own], appendMs);
    this.#replayTo = end;
    this.#phase = 'following';
    this.#account();
    await this.#trimLog();
  }

  /** What is committed may go from the log. Trouble here costs only disk: the next cut tries again. */
  async #trimLog(): Promise<void> {
    try {
      await this.#ports.log.trim(this.#state.committed);
      this.#troubles.delete('trim');
    } catch (error) {
      this.#troubles.set('trim', error);
    }
  }

  /** Opens, then reads on from H + 1 until stopped, whatever the log does meanwhile. */
  async #follow(): Promise<void> {
    const { signal } = this.#stopReading;
    while (!signal.aborted) {
      if (this.#phase === 'opening') await this.#untilDone('open', () => this.#open());
      else await this.#untilDone('read', () => this.#readOn());
    }
  }

  async #readOn(): Promise<void> {
    const stop = new AbortController();
    const signal = AbortSignal.any([this.#stopReading.signal, stop.signal]);
    try {
      await this.#consume(this.#ports.log.read(this.#state.consumed + 1, signal));
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
        if (this.#stopReading.signal.aborted || !(await this.#next(entry))) return;
        this.#troubles.delete('read');
        bytes += entry.record?.byteLength ?? 0;
        if (bytes > TURN_BYTES) {
          bytes = 0;
          await this.#ports.clock.sleep(0);
        }
      }
    }
    if (!this.#stopReading.signal.aborted)
      throw new KilnError('unavailable', 'the log stopped delivering: it was closed');
  }

  /** NEXT. @returns false when reading has to start again from H + 1. */
  async #next(entry: LogEntry): Promise<boolean> {
    const state = this.#state;
    if (entry.offset > state.consumed + 1 && !(await this.#jump(entry))) return false;
    if (entry.offset <= state.consumed) return true; // consumed, or covered by a manifest, meanwhile
    const record = this.#decode(entry);
    if (record === undefined) await this.#quarantine(entry);
    if (entry.offset !== state.consumed + 1) return entry.offset <= state.consumed;
    const nowMs = this.#ports.clock.nowMs();
    const fresh = state.growing === undefined;
    if (record === undefined) this.#passOver(entry.offset, entry.offset, reasonOf(entry), entry, nowMs);
    else if (!this.#take(entry, record, nowMs)) return false;
    this.#rereads = 0;
    this.#counts.records++;
    this.#account();
    if (fresh || this.#full(state.growing)) this.#bell.ring();
    return true;
  }

  /**
   * Adds a record to the head. One that breaks half-way leaves its first rows behind, so the partition lets go of everything and opens anew; when
   * the record comes again it goes to quarantine.
   */
  #take(entry: LogEntry, record: LogRecord, nowMs: number): boolean {
    const rows = this.#state.growing?.head.rows ?? 0;
    try {
      this.#state.take(entry, record, nowMs);
    } catch {
      this.#poisoned = entry.offset;
      this.#phase = 'opening';
      this.#state.reset();
      return false;
    }
    this.#counts.rows += (this.#state.growing?.head.rows ?? 0) - rows;
    return true;
  }

  #decode(entry: LogEntry): LogRecord | undefined {
    if (entry.record === undefined || entry.offset === this.#poisoned) return undefined;
    try {
      return decodeRecord(entry.record, this.#ports.codecs);
    } catch (error) {
      if (hopeless(error)) throw error; // written by a newer version: nothing is wrong with it
      return undefined;
    }
  }

  /** Goes on only when the bytes are stored; a frame without bytes has nothing to keep. */
  async #quarantine({ offset, record }: LogEntry): Promise<void> {
    if (record === undefined) return;
    this.#paused = `record ${offset} cannot be decoded and is being put into quarantine`;
    const { log } = this.#ports;
    await quarantineRecord(this.#catalog, { log: log.id, offset, record }, { signal: this.#stopReading.signal });
    this.#paused = undefined;
    this.#counts.quarantined++;
  }

  /** Gaps (§1.6): an offset above H + 1. @returns false when the log is to be read again. */
  async #jump(entry: LogEntry): Promise<boolean> {
    const { log, clock } = this.#ports;
    const state = this.#state;
    if ((await log.startOffset()) <= state.consumed + 1) {
      if (++this.#rereads > REREADS) {
        throw new KilnError(
          'data_loss',
          `log ${log.id} says it holds offset ${state.consumed + 1} but delivers ${entry.offset} after it ${REREADS} times: not skipping what may be readable`,
        );
      }
      return false;
    }
    await this.#learn(await this.#chain());
    const first = state.consumed + 1;
    if (entry.offset > first) {
      this.#passOver(first, entry.offset - 1, 'the log no longer held these records', entry, clock.nowMs());
    }
    return true;
  }

  #passOver(first: number, last: number, reason: string, entry: LogEntry, nowMs: number): void {
    const fromMs = this.#state.appendMs === 0 ? entry.appendMs : this.#state.appendMs;
    const gap = { after: first - 1, upTo: last, reason, fromMs, toMs: Math.max(fromMs, entry.appendMs) };
    this.#state.pass(
      gap,
      last === entry.offset ? entry.appendMs : 0,
      last === entry.offset ? (entry.record?.byteLength ?? 0) : 0,
      nowMs,
    );
    this.#counts.gaps++;
  }

  /** Waits while both generations are full, or the process is over its budget. */
  async #room(): Promise<void> {
    for (;;) {
      const ring = this.#bell.wait();
      this.#paused = this.#pauseReason();
      if (this.#paused === undefined || this.#stopReading.signal.aborted) return;
      await ring;
    }
  }

  #pauseReason(): string | undefined {
    const { frozen, growing } = this.#state;
    const { budget } = this.#ports;
    if (frozen !== undefined && this.#full(growing)) {
      return 'both generations are full: waiting until the object store takes the frozen one';
    }
    if (budget.over) {
      return `heads and ids hold ${budget.usedBytes} bytes, limit ${budget.limitBytes} (ingester.head-max-bytes): waiting for a cut`;
    }
    return undefined;
  }

  #full(generation: Generation | undefined): boolean {
    const { cuts } = this.#ports;
    return (
      generation !== undefined &&
      (generation.logBytes >= cuts.maxLogBytes || generation.head.segmentBytes >= cuts.maxBytes)
    );
  }

  /** Cuts whenever one is due, one at a time, until told to stop. */
  async #cutLoop(): Promise<void> {
    const { clock } = this.#ports;
    for (;;) {
      const ring = this.#bell.wait();
      const dueMs = this.#cutDueMs();
      if (
        this.#stopReading.signal.aborted &&
        (!this.#cutsLeft || dueMs === Infinity || this.#stopCutting.signal.aborted)
      )
        return;
      if (dueMs <= 0) {
        await this.#untilDone('cut', () => this.#cut());
        continue;
      }
      const waking = new AbortController();
      const timer = dueMs === Infinity ? undefined : clock.sleep(dueMs, waking.signal).catch(() => undefined);
      await Promise.race(timer === undefined ? [ring] : [ring, timer]);
      waking.abort();
    }
  }

  /** Milliseconds until the next cut, 0 when one is due, Infinity when nothing lies above E. */
  #cutDueMs(): number {
    const { frozen, growing } = this.#state;
    const { budget, slot, clock, cuts } = this.#ports;
    if (frozen !== undefined) return 0;
    if (growing === undefined) return Infinity;
    if (this.#stopReading.signal.aborted || this.#full(growing) || budget.shouldCut(slot)) return 0;
    const ageMs = clock.nowMs() - growing.sinceMs;
    return ageMs < 0 ? 0 : Math.max(0, cuts.maxAgeMs - ageMs); // a clock that was set back does not put cuts off
  }

  /** CUT. While the store is in trouble it goes on trying and keeps everything. */
  async #cut(): Promise<void> {
    const { log, killPoint, writer } = this.#ports;
    const state = this.#state;
    const frozen = state.freeze();
    const chain = state.chain!;
    if (frozen === undefined) return;
    this.#account();
    this.#encode(frozen, chain);
    this.#account();
    const outcome = await commitCut(this.#catalog, {
      chain,
      end: frozen.end,
      aMax: frozen.appendMs,
      segment: frozen.segment,
      gaps: gapsAbove(frozen.gaps, chain.E),
      writer,
      signal: this.#stopCutting.signal,
      killPoint,
    });
    if (outcome.chain === undefined) throw gone(log.id);
    await this.#learn(outcome.chain);
    if (outcome.won) this.#counts.cuts++;
    await killPoint?.('after-drop');
    await this.#trimLog();
  }

  #encode(frozen: Generation, chain: Chain): void {
    if (frozen.segmentStart === chain.E) return;
    const { log, codecs, random } = this.#ports;
    const blockId = Uint8Array.from({ length: 16 }, () => Math.floor(random() * 256));
    const place = { logId: log.id, start: chain.E, end: frozen.end, blockId };
    frozen.segment = encodeSegment(frozen, this.#state.ids, place, codecs);
    frozen.segmentStart = chain.E;
  }

  /** LEARN. */
  async #learn(chain: Chain): Promise<void> {
    const { consumed } = this.#state;
    const missed = consumed < chain.E ? chain.manifests.filter(({ end }) => end > consumed) : [];
    const kept = await loadIds(this.#catalog, this.#ports.codecs, missed, chain.tip?.aMax ?? 0);
    this.#state.learn(chain, kept);
    this.#account();
    this.#bell.ring();
  }

  async #chain(): Promise<Chain> {
    const chain = await readChain(this.#catalog, this.#ports.log.id, this.#state.chain);
    if (chain === undefined) throw gone(this.#ports.log.id);
    return chain;
  }

  /** Tells the budget what is held now. */
  #account(): void {
    const { frozen, growing, ids } = this.#state;
    this.#ports.budget.set(this.#ports.slot, {
      openBytes: growing?.byteLength ?? 0,
      frozenBytes: frozen?.byteLength ?? 0,
      fixedBytes: ids.byteLength,
    });
  }

  async #watchBudget(): Promise<void> {
    while (!this.#stopReading.signal.aborted) {
      await this.#ports.budget.changed();
      this.#bell.ring();
    }
  }

  /** Repeats what fails, waiting longer each time, until it is done or may go on no more. @throws what cannot pass by itself. */
  async #untilDone(what: 'open' | 'read' | 'cut', work: () => Promise<void>): Promise<void> {
    const { signal } = what === 'cut' ? this.#stopCutting : this.#stopReading;
    for (let n = 0; !signal.aborted; n++) {
      try {
        await work();
        this.#troubles.delete(what);
        return;
      } catch (error) {
        if (signal.aborted) return;
        if (hopeless(error)) throw error;
        if (what === 'cut' && error !== this.#troubles.get('store')) this.#counts.cutFailures++;
        this.#troubles.set(what, error);
        const waitMs = Math.min(RETRY_MAX_MS, RETRY_BASE_MS * 2 ** Math.min(n, 10)) * (0.5 + this.#ports.random() / 2);
        await this.#ports.clock.sleep(waitMs, signal).catch(() => undefined);
      }
    }
  }

  #storeEnded(error: unknown): void {
    if (error !== undefined && this.#state.frozen !== undefined) this.#counts.cutFailures++;
    if (error === undefined) this.#troubles.delete('store');
    else this.#troubles.set('store', error);
  }

  #trouble(): string | undefined {
    const [where, error] = this.#troubles.entries().next().value ?? [];
    if (this.#fatal !== undefined) return this.#fatal.message;
    return where === undefined ? undefined : `${where}: ${KilnError.from(error).message}`;
  }

  #fail(error: unknown): void {
    this.#fatal = KilnError.from(error);
    this.#phase = 'failed';
    this.#stopReading.abort();
    this.#stopCutting.abort();
    this.#state.reset();
    this.#account();
    this.#bell.ring();
  }
}

function reasonOf(entry: LogEntry): string {
  return entry.record === undefined
    ? 'the frame of this record in the log is damaged'
    : 'this record cannot be decoded; its bytes are in quarantine';
}

/** A state of the world that waiting does not change. */
function hopeless(error: unknown): boolean {
  return error instanceof KilnError && (error.code === 'failed_precondition' || error.code === 'data_loss');
}

function gone(log: LogId): KilnError {
  return new KilnError(
    'failed_precondition',
    `log ${log} is not in log/trim any more: it was closed and is contained in every index`,
  );
}
