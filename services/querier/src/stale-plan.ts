import { KilnError } from '@kiln/model';

/** The plan is older than what is stored: the whole slice must be planned anew, never a part of it. */
export class StalePlan extends Error {
  constructor(found: string) {
    super(`the plan is out of date: ${found}`);
    this.name = 'StalePlan';
  }
}

/** Whether an owner said so. */
export function isStaleIndex(error: unknown): boolean {
  return error instanceof KilnError && error.reason === 'stale_index';
}

/** Whether nobody follows the partition there. */
export function isNotOwner(error: unknown): boolean {
  return error instanceof KilnError && error.reason === 'not_owner';
}
