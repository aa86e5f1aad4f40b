import type { CounterMetric, GaugeMetric, Metrics } from '@kiln/telemetry';
import type { BuiltBlock } from './build-blocks.ts';

/** What a compactor shows of itself. */
export class CompactorMetrics {
  readonly #jobs: CounterMetric;
  readonly #blocks: CounterMetric;
  readonly #bytes: CounterMetric;
  readonly #copies: CounterMetric;
  readonly #uncompactedBytes: GaugeMetric;
  readonly #uncompactedAge: GaugeMetric;
  readonly #live: GaugeMetric;
  readonly #damaged: GaugeMetric;

  constructor(metrics: Metrics) {
    this.#jobs = metrics.counter({
      name: 'kiln_compactor_jobs_total',
      help: 'Jobs by kind (compact, merge) and outcome (committed, discarded, failed).',
      labels: ['kind', 'outcome'],
    });
    this.#blocks = metrics.counter({
      name: 'kiln_compactor_blocks_total',
      help: 'Blocks that were made and committed.',
    });
    this.#bytes = metrics.counter({
      name: 'kiln_compactor_written_bytes_total',
      help: 'Bytes of the blocks that were made and committed.',
    });
    this.#copies = metrics.counter({
      name: 'kiln_compactor_copies_dropped_total',
      help: 'Rows that were dropped because an equal one is kept.',
    });
    this.#uncompactedBytes = metrics.gauge({
      name: 'kiln_compactor_uncompacted_bytes',
      help: 'Bytes of segments that are in no block yet.',
    });
    this.#uncompactedAge = metrics.gauge({
      name: 'kiln_compactor_uncompacted_age_seconds',
      help: 'Age of the oldest segment that is in no block yet.',
    });
    this.#live = metrics.gauge({ name: 'kiln_compactor_live_blocks', help: 'Blocks that queries read.' });
    this.#damaged = metrics.gauge({
      name: 'kiln_compactor_damaged_parts',
      help: 'Blocks, and parts of segments, that are damaged; /ready?verbose names them.',
    });
  }

  job(kind: string, outcome: 'committed' | 'discarded' | 'failed'): void {
    this.#jobs.add(1, { kind, outcome });
  }

  built(blocks: readonly BuiltBlock[], copies: number): void {
    this.#blocks.add(blocks.length);
    this.#bytes.add(blocks.reduce((sum, { bytes }) => sum + bytes.length, 0));
    this.#copies.add(copies);
  }

  observe({ bytes, ageMs, blocks, damaged }: { bytes: number; ageMs: number; blocks: number; damaged: number }): void {
    this.#uncompactedBytes.set(bytes);
    this.#uncompactedAge.set(Math.max(0, ageMs) / 1000);
    this.#live.set(blocks);
    this.#damaged.set(damaged);
  }
}
