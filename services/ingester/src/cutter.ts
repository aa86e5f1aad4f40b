import { commitCut, type Chain } from '@kiln/catalog';
import type { Generation } from './generation.ts';
import { gone, type PartitionCore } from './partition-core.ts';
import { encodeSegment, gapsAbove } from './segment.ts';

/** The cutting half of a partition: when a cut is due, and CUT itself (design: distributed.md §1.6, §1.10). */
export class Cutter {
  readonly #core: PartitionCore;
  /** Whether a stop commits what is left. */
  cutsLeft = true;

  constructor(core: PartitionCore) {
    this.#core = core;
  }

  /** Cuts whenever one is due, one at a time, until told to stop. */
  async run(): Promise<void> {
    const { clock } = this.#core.ports;
    for (;;) {
      const ring = this.#core.bell.wait();
      const dueMs = this.#dueMs();
      if (
        this.#core.stopReading.signal.aborted &&
        (!this.cutsLeft || dueMs === Infinity || this.#core.stopCutting.signal.aborted)
      )
        return;
      if (dueMs <= 0) {
        await this.#core.untilDone('cut', () => this.#cut());
        continue;
      }
      const waking = new AbortController();
      const timer = dueMs === Infinity ? undefined : clock.sleep(dueMs, waking.signal).catch(() => undefined);
      await Promise.race(timer === undefined ? [ring] : [ring, timer]);
      waking.abort();
    }
  }

  /** Milliseconds until the next cut, 0 when one is due, Infinity when nothing lies above E. */
  #dueMs(): number {
    const { frozen, growing } = this.#core.state;
    const { budget, slot, clock, cuts } = this.#core.ports;
    if (frozen !== undefined) return 0;
    if (growing === undefined) return Infinity;
    if (this.#core.stopReading.signal.aborted || this.#core.isFull(growing) || budget.shouldCut(slot)) return 0;
    const ageMs = clock.nowMs() - growing.sinceMs;
    return ageMs < 0 ? 0 : Math.max(0, cuts.maxAgeMs - ageMs); // a clock that was set back does not put cuts off
  }

  /** CUT. While the store is in trouble it goes on trying and keeps everything. */
  async #cut(): Promise<void> {
    const { log, killPoint, writer } = this.#core.ports;
    const state = this.#core.state;
    const frozen = state.freeze();
    const chain = state.chain!;
    if (frozen === undefined) return;
    this.#core.account();
    this.#encode(frozen, chain);
    this.#core.account();
    const outcome = await commitCut(this.#core.catalog, {
      chain,
      end: frozen.end,
      aMax: frozen.appendMs,
      segment: frozen.segment,
      gaps: gapsAbove(frozen.gaps, chain.E),
      writer,
      signal: this.#core.stopCutting.signal,
      killPoint,
    });
    if (outcome.chain === undefined) throw gone(log.id);
    await this.#core.learn(outcome.chain);
    if (outcome.won) this.#core.counts.cuts++;
    await killPoint?.('after-drop');
    await this.#core.trimLog();
  }

  #encode(frozen: Generation, chain: Chain): void {
    if (frozen.segmentStart === chain.E) return;
    const { log, codecs, random } = this.#core.ports;
    const blockId = Uint8Array.from({ length: 16 }, () => Math.floor(random() * 256));
    const place = { logId: log.id, start: chain.E, end: frozen.end, blockId };
    frozen.segment = encodeSegment(frozen, this.#core.state.ids, place, codecs);
    frozen.segmentStart = chain.E;
  }
}
