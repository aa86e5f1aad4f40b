import type { Clock, Random } from '@kiln/async';
import type { Codecs } from '@kiln/block';
import { readChain, type Catalog, type Chain, type KillPoint } from '@kiln/catalog';
import { KilnError, type LogId } from '@kiln/model';
import type { ObjectStore } from '@kiln/objstore';
import type { OpenLog } from '@kiln/partition-log';
import { Bell } from './bell.ts';
import type { Budget } from './budget.ts';
import type { Generation } from './generation.ts';
import { loadIds } from './load-ids.ts';
import { PartitionState } from './partition-state.ts';
import type { PartitionCounts, PartitionStatus } from './partition-status.ts';
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

/** Where something can go wrong. */
export type Place = 'open' | 'read' | 'cut' | 'trim' | 'store';

/** What the reading and the cutting of one partition share: its memory, its ports, how it is doing. */
export class PartitionCore {
  readonly ports: PartitionPorts;
  readonly catalog: Catalog;
  readonly state: PartitionState;
  /** Rings when a cut may be due, room may have come, or it is time to stop. */
  readonly bell: Bell = new Bell();
  /** Rings when H moved, or will not move any more. */
  readonly moved: Bell = new Bell();
  readonly stopReading: AbortController = new AbortController();
  readonly stopCutting: AbortController = new AbortController();
  readonly counts: Omit<PartitionCounts, 'copiesDropped'> = {
    records: 0,
    rows: 0,
    cuts: 0,
    cutFailures: 0,
    gaps: 0,
    quarantined: 0,
  };
  /** What goes wrong now, by place; an entry goes when that place works again. */
  readonly troubles: Map<Place, unknown> = new Map<Place, unknown>();
  phase: PartitionStatus['state'] = 'opening';
  /** Why reading stands still, when it does. */
  paused: string | undefined;
  #fatal: KilnError | undefined;

  constructor(ports: PartitionPorts) {
    this.ports = ports;
    this.catalog = {
      objects: watchedStore(ports.objects, (error) => this.#storeEnded(error)),
      crc32: (bytes, seed) => ports.codecs.crc32(bytes, seed),
      clock: ports.clock,
      random: ports.random,
    };
    this.state = new PartitionState(ports.codecs, Math.floor(ports.random() * 4294967296));
  }

  /** The last trouble that is not over yet, in words. */
  get trouble(): string | undefined {
    if (this.#fatal !== undefined) return sentenceOf(this.#fatal);
    const [place, error] = this.troubles.entries().next().value ?? [];
    return place === undefined ? undefined : `${place}: ${sentenceOf(error)}`;
  }

  /** Gives up: waiting does not help. The log has everything. */
  fail(error: unknown): void {
    this.#fatal = KilnError.from(error);
    this.phase = 'failed';
    this.stopReading.abort();
    this.stopCutting.abort();
    this.state.reset();
    this.account();
    this.bell.ring();
    this.moved.ring();
  }

  /** CHAIN, from what is known. @throws KilnError `failed_precondition` when the log is gone. */
  async readChain(): Promise<Chain> {
    const chain = await readChain(this.catalog, this.ports.log.id, this.state.chain);
    if (chain === undefined) throw gone(this.ports.log.id);
    return chain;
  }

  /** LEARN. */
  async learn(chain: Chain): Promise<void> {
    const { consumed } = this.state;
    const missed = consumed < chain.E ? chain.manifests.filter(({ end }) => end > consumed) : [];
    const loaded = await loadIds(this.catalog, this.ports.codecs, missed, chain.tip?.aMax ?? 0);
    this.state.learn(chain, loaded);
    this.account();
    this.bell.ring();
    this.moved.ring();
  }

  /** What is committed may go from the log. Trouble here costs only disk: the next cut tries again. */
  async trimLog(): Promise<void> {
    try {
      await this.ports.log.trim(this.state.committed);
      this.troubles.delete('trim');
    } catch (error) {
      this.troubles.set('trim', error);
    }
  }

  /** Whether a generation has reached the size of a cut. */
  isFull(generation: Generation | undefined): boolean {
    const { cuts } = this.ports;
    return (
      generation !== undefined &&
      (generation.logBytes >= cuts.maxLogBytes || generation.head.segmentBytes >= cuts.maxBytes)
    );
  }

  /** Tells the budget what is held now. */
  account(): void {
    const { frozen, growing, ids } = this.state;
    this.ports.budget.set(this.ports.slot, {
      openBytes: growing?.byteLength ?? 0,
      frozenBytes: frozen?.byteLength ?? 0,
      fixedBytes: ids.byteLength,
    });
  }

  /** Repeats what fails, waiting longer each time, until it is done or may go on no more. @throws what cannot pass by itself. */
  async untilDone(what: 'open' | 'read' | 'cut', work: () => Promise<void>): Promise<void> {
    const { signal } = what === 'cut' ? this.stopCutting : this.stopReading;
    for (let n = 0; !signal.aborted; n++) {
      try {
        await work();
        this.troubles.delete(what);
        return;
      } catch (error) {
        if (signal.aborted) return;
        if (hopeless(error)) throw error;
        if (what === 'cut' && error !== this.troubles.get('store')) this.counts.cutFailures++;
        this.troubles.set(what, error);
        const waitMs = Math.min(RETRY_MAX_MS, RETRY_BASE_MS * 2 ** Math.min(n, 10)) * (0.5 + this.ports.random() / 2);
        await this.ports.clock.sleep(waitMs, signal).catch(() => undefined);
      }
    }
  }

  #storeEnded(error: unknown): void {
    if (error !== undefined && this.state.frozen !== undefined) this.counts.cutFailures++;
    if (error === undefined) this.troubles.delete('store');
    else this.troubles.set('store', error);
  }
}

/** Damage with what it means and what to do: whoever waits for this partition to be ready reads it. */
function sentenceOf(error: unknown): string {
  const { code, message } = KilnError.from(error);
  if (code !== 'data_loss') return message;
  return `${message}. What is pushed is kept in the log, queries are refused: put the object back from a backup and start Kiln again; kiln verify names all that is damaged`;
}

/** A state of the world that waiting does not change. */
export function hopeless(error: unknown): boolean {
  return error instanceof KilnError && (error.code === 'failed_precondition' || error.code === 'data_loss');
}

/** The log was closed and every index has it. */
export function gone(log: LogId): KilnError {
  return new KilnError(
    'failed_precondition',
    `log ${log} is not in log/trim any more: it was closed and is contained in every index`,
  );
}
