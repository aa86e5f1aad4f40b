import type { CounterMetric, GaugeMetric, Metrics } from '@kiln/telemetry';
import type { PartitionCounts, PartitionStatus } from './partition-status.ts';

const LABELS = ['partition'];

/** What an ingester exports, one value per partition; told from time to time how the partitions are doing. */
export class IngesterMetrics {
  readonly #gauges: readonly [GaugeMetric, (status: PartitionStatus) => number | undefined][];
  readonly #counters: readonly [CounterMetric, keyof PartitionCounts][];
  readonly #last = new Map<number, PartitionCounts>();

  constructor(metrics: Metrics) {
    const gauge = (name: string, help: string): GaugeMetric =>
      metrics.gauge({ name: `kiln_ingester_${name}`, help, labels: LABELS });
    const counter = (name: string, help: string): CounterMetric =>
      metrics.counter({ name: `kiln_ingester_${name}_total`, help, labels: LABELS });
    this.#gauges = [
      [gauge('head_bytes', 'Bytes of the generations in memory, segments in flight included.'), (s) => s.headBytes],
      [gauge('ids_bytes', 'Bytes of the profile ids that drop copies.'), (s) => s.idsBytes],
      [
        gauge('lost_ids_count', 'Objects whose ids are lost: copies of their profiles may count twice.'),
        (s) => s.lostIds.length,
      ],
      [gauge('generations_count', 'Generations in memory; 2 while one is being cut.'), (s) => s.generations],
      [gauge('lag_records', 'Records in the log that are not consumed yet.'), (s) => s.lag],
      [gauge('committed_offset', 'End of the newest manifest.'), (s) => s.committed],
      [gauge('consumed_offset', 'Last offset consumed.'), (s) => s.consumed],
      [
        gauge('paused_state', '1 while reading stands still for want of room.'),
        (s) => (s.paused === undefined ? 0 : 1),
      ],
      [gauge('following_state', '1 while the partition is open and read.'), (s) => (s.state === 'following' ? 1 : 0)],
    ];
    this.#counters = [
      [counter('records', 'Log records consumed.'), 'records'],
      [counter('rows', 'Rows added to heads.'), 'rows'],
      [counter('copies_dropped', 'Profiles dropped because their id was kept before.'), 'copiesDropped'],
      [counter('cuts', 'Manifests committed.'), 'cuts'],
      [counter('cut_failures', 'Failed calls of the object store while a cut was under way.'), 'cutFailures'],
      [counter('gaps', 'Stretches of a log passed without rows: lost or undecodable.'), 'gaps'],
      [counter('quarantined', 'Records put into quarantine.'), 'quarantined'],
    ];
  }

  observe(statuses: readonly PartitionStatus[]): void {
    for (const status of statuses) {
      const labels = { partition: String(status.partition) };
      for (const [gauge, read] of this.#gauges) {
        const value = read(status);
        if (value !== undefined) gauge.set(value, labels);
      }
      const last = this.#last.get(status.partition);
      for (const [counter, name] of this.#counters) {
        const before = last?.[name] ?? 0;
        const now = status.counts[name];
        counter.add(now < before ? now : now - before, labels); // less than before: its worker was started again
      }
      this.#last.set(status.partition, status.counts);
    }
  }
}
