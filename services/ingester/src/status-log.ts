import type { Logger } from '@kiln/telemetry';
import type { PartitionStatus } from './partition-status.ts';

interface Seen {
  readonly trouble: string | undefined;
  readonly gaps: number;
  readonly lostIds: readonly string[];
}

/** Writes a line when a partition gets into trouble, out of it, or passes offsets without rows. Told from time to time, as the metrics. */
export class StatusLog {
  readonly #log: Logger;
  readonly #seen = new Map<number, Seen>();

  constructor(log: Logger) {
    this.#log = log;
  }

  observe(statuses: readonly PartitionStatus[]): void {
    for (const { partition, logId, state, error, paused, lostIds, counts } of statuses) {
      const before = this.#seen.get(partition) ?? { trouble: undefined, gaps: 0, lostIds: [] };
      const trouble = error ?? paused;
      if (trouble !== before.trouble) {
        if (trouble === undefined) this.#log.info('a partition is well again', { partition, state });
        else this.#log.warn('a partition is in trouble', { partition, state, trouble });
      }
      if (counts.gaps > before.gaps) {
        const { gaps, quarantined } = counts;
        this.#log.error('records were lost or could not be decoded', { partition, log: logId, gaps, quarantined });
      }
      for (const lost of lostIds) {
        if (!before.lostIds.includes(lost)) this.#log.error('ids are lost', { partition, log: logId, lost });
      }
      this.#seen.set(partition, { trouble, gaps: counts.gaps, lostIds });
    }
  }
}
