import type { Range } from './range.ts';

/** The points of a time series: each is the sum of the step that ends at its time, and the last step ends with the range. */
export interface Steps {
  readonly stepMs: number;
  readonly count: number;
  /** End of the first step. The step reaches back to the start of the range, or before it where the range is no whole number of steps. */
  readonly firstMs: number;
}

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
/** Steps that people read easily. Agents push about every 15 s: a shorter one has holes. */
const STEPS_MS: readonly number[] = [
  ...[15, 30].map((n) => n * SECOND),
  ...[1, 2, 5, 10, 15, 30].map((n) => n * MINUTE),
  ...[1, 2, 3, 6, 12, 24].map((n) => n * HOUR),
];
/** As many points as a line of a terminal shows. */
const POINTS = 60;

/** @param stepMs 0 = one that makes at most 60 points of the range. */
export function stepsOf({ startMs, endMs }: Range, stepMs: number): Steps {
  const lengthMs = endMs - startMs;
  const day = STEPS_MS.at(-1)!;
  const chosen =
    stepMs > 0 ? stepMs : (STEPS_MS.find((ms) => lengthMs <= ms * POINTS) ?? Math.ceil(lengthMs / POINTS / day) * day);
  const count = Math.max(1, Math.ceil(lengthMs / chosen));
  return { stepMs: chosen, count, firstMs: endMs - (count - 1) * chosen };
}

/** The step that a point belongs to, from 0 on. */
export function stepAt({ stepMs, count, firstMs }: Steps, timeMs: number): number {
  return Math.min(count - 1, Math.max(0, Math.ceil((timeMs - firstMs) / stepMs)));
}

/** As the wire has it, in seconds; a server that multiplies and cuts off comes to the same milliseconds. */
export function stepSeconds({ stepMs }: Steps): number {
  const seconds = stepMs / 1_000;
  return Math.trunc(seconds * 1_000) === stepMs ? seconds : (stepMs + 0.5) / 1_000;
}
