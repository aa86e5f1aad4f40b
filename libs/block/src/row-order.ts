/**
 * Rows of a block rise by the hour of their time before they rise by series and time: then few pages hold a part of a day, of however many series, and
 * each holds many rows of one series still.
 */
const HOUR_MS = 3_600_000;

export function hourOf(timeMs: number): number {
  return Math.floor(timeMs / HOUR_MS);
}
