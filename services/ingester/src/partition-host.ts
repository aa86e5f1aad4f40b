import type { OwnerAnswer } from '@kiln/catalog';
import type { Question } from './partition-answer.ts';
import type { PartitionStatus } from './partition-status.ts';
import type { Partition } from './partition.ts';

/** Where some partitions run: this thread, or a worker. Partitions are named by slot. */
export interface PartitionHost {
  answer(slot: number, question: Question): Promise<OwnerAnswer>;
  status(slot: number): Promise<PartitionStatus>;
  stop(cut: boolean): Promise<void>;
}

/** Partitions in the calling thread. */
export class LocalHost implements PartitionHost {
  readonly #partitions: ReadonlyMap<number, Partition>;

  constructor(partitions: ReadonlyMap<number, Partition>) {
    this.#partitions = partitions;
    for (const partition of partitions.values()) partition.start();
  }

  answer(slot: number, question: Question): Promise<OwnerAnswer> {
    return this.#partitions.get(slot)!.answer(question);
  }

  status(slot: number): Promise<PartitionStatus> {
    return this.#partitions.get(slot)!.status();
  }

  async stop(cut: boolean): Promise<void> {
    await Promise.all([...this.#partitions.values()].map((partition) => partition.stop(cut)));
  }
}
