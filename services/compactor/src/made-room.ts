import type { Clock } from '@kiln/async';
import type { LiveBlock } from '@kiln/catalog';
import type { TenantId } from '@kiln/model';
import type { CounterMetric, Telemetry } from '@kiln/telemetry';

/** How long `/ready?verbose` tells of it. */
const TOLD_MS = 24 * 3_600_000;

/** What was deleted of a tenant. */
interface Gone {
  /** When the last of it was. */
  readonly lastMs: number;
  /** Profile time of the newest of it. */
  readonly toMs: number;
}

/** What went before its time because storage was full, and counted until then: a line of the log each time, metrics, and a note for a day. */
export class MadeRoom {
  readonly #clock: Clock;
  readonly #telemetry: Telemetry;
  readonly #blocks: CounterMetric;
  readonly #bytes: CounterMetric;
  /** Of the last day. */
  readonly #gone = new Map<TenantId, Gone>();

  constructor(clock: Clock, telemetry: Telemetry) {
    this.#clock = clock;
    this.#telemetry = telemetry;
    this.#blocks = telemetry.metrics.counter({
      name: 'kiln_compactor_blocks_deleted_for_room_total',
      help: 'Blocks that were deleted before their retention because storage was full (storage.when-full=oldest-goes).',
    });
    this.#bytes = telemetry.metrics.counter({
      name: 'kiln_compactor_bytes_deleted_for_room_total',
      help: 'Bytes of the blocks that were deleted before their retention because storage was full.',
    });
  }

  /** These blocks of a tenant, one at least, are in no answer any more. */
  gone(tenant: TenantId, blocks: readonly LiveBlock[]): void {
    const bytes = blocks.reduce((sum, { size }) => sum + size, 0);
    const toMs = blocks.reduce((most, { maxMs }) => Math.max(most, maxMs), -Infinity);
    this.#blocks.add(blocks.length);
    this.#bytes.add(bytes);
    this.#forget();
    const before = this.#gone.get(tenant)?.toMs ?? -Infinity;
    this.#gone.set(tenant, { lastMs: this.#clock.nowMs(), toMs: Math.max(before, toMs) });
    this.#telemetry.log.warn('storage is full: the oldest blocks of a tenant were deleted', {
      tenant,
      blocks: blocks.length,
      bytes,
      upTo: new Date(toMs).toISOString(),
    });
  }

  /** A line for `/ready?verbose`, if anything went within a day. */
  notes(): string[] {
    this.#forget();
    const gone = [...this.#gone.values()];
    if (gone.length === 0) return [];
    const toMs = gone.reduce((most, one) => Math.max(most, one.toMs), -Infinity);
    const lastMs = gone.reduce((most, one) => Math.max(most, one.lastMs), -Infinity);
    const whose = gone.length === 1 ? '1 tenant' : `${gone.length} tenants`;
    return [
      `compactor: data up to ${new Date(toMs).toISOString()} of ${whose} was deleted for room within a day, last at ` +
        `${new Date(lastMs).toISOString()} (storage.when-full=oldest-goes; the log says of which)`,
    ];
  }

  #forget(): void {
    const oldestMs = this.#clock.nowMs() - TOLD_MS;
    for (const [tenant, { lastMs }] of this.#gone) if (lastMs < oldestMs) this.#gone.delete(tenant);
  }
}
