import type { LogId } from '@kiln/model';
import type { SharedBudget } from '../budget.ts';
import type { CutSettings } from '../partition-core.ts';

/** A partition as its place in the process and its log. */
export interface PartitionPlace {
  /** Its number in the budget and in calls. */
  readonly slot: number;
  readonly logId: LogId;
  readonly partition: number;
}

/** What a worker is started with. */
export interface WorkerSetup {
  readonly places: readonly PartitionPlace[];
  readonly budget: SharedBudget;
  readonly cuts: CutSettings;
  readonly writer: string;
  /** The step of a cut at which the whole process kills itself, for tests; see `commitCut`. */
  readonly dieAt: string | undefined;
}
