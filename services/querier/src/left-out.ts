import type { Clock } from '@kiln/async';
import type { ObjectGap } from '@kiln/query';
import type { Telemetry } from '@kiln/telemetry';

/** What is not met again for so long may have been put back, and is forgotten: met again, it is told again. */
const FORGET_MS = 3_600_000;
/** Pieces that are known at a time: a whole disk that is lost should not fill a log. */
const MAX_PIECES = 100;
const NAMED = 10;

/** What queries found damaged or gone in the last hour and left out of their answers: a line of the log for each piece, a metric, and notes. */
export class LeftOut {
  readonly #clock: Clock;
  readonly #telemetry: Telemetry;
  /** When each was last met, by what is told of it; in that order. */
  readonly #lastMs = new Map<string, number>();

  constructor(clock: Clock, telemetry: Telemetry) {
    this.#clock = clock;
    this.#telemetry = telemetry;
    telemetry.metrics.gaugeOf(
      {
        name: 'kiln_querier_damaged_pieces',
        help: 'Datasets and parts of objects that queries of the last hour could not read and left out; /ready?verbose names them.',
      },
      () => this.#pieces().length,
    );
  }

  /** A query answered without these. */
  met(gaps: readonly ObjectGap[]): void {
    const known = new Set(this.#pieces());
    for (const { object, reason } of gaps) {
      const piece = `${object}: ${reason}`;
      if (!known.has(piece)) {
        if (known.size >= MAX_PIECES) continue;
        this.#telemetry.log.warn('a query left out what it could not read', { object, why: reason });
        known.add(piece);
      }
      this.#lastMs.delete(piece);
      this.#lastMs.set(piece, this.#clock.nowMs());
    }
  }

  /** Lines for `/ready?verbose`. */
  notes(): string[] {
    const pieces = this.#pieces();
    const named = pieces
      .slice(-NAMED)
      .toReversed()
      .map(
        (piece) => `querier: answers lacked ${piece} (last met at ${this.#lastAt(piece)}); kiln verify says what to do`,
      );
    const more = pieces.length - NAMED;
    return more > 0 ? [...named, `querier: answers of the last hour lacked ${more} more pieces`] : named;
  }

  /** The piece may have been put back since: only the next query that wants it can tell. */
  #lastAt(piece: string): string {
    return `${new Date(this.#lastMs.get(piece)!).toISOString().slice(11, 16)} UTC`;
  }

  #pieces(): string[] {
    const oldestMs = this.#clock.nowMs() - FORGET_MS;
    for (const [piece, lastMs] of this.#lastMs) if (lastMs < oldestMs) this.#lastMs.delete(piece);
    return [...this.#lastMs.keys()];
  }
}
