/** Values over time as old clients read them (contract/pyroscope.md §5.8): zero-filled, from `startTime` on, one per step. */
export interface Timeline {
  /** Unix seconds. */
  readonly startTime: number;
  readonly samples: readonly number[];
  /** Seconds. */
  readonly durationDelta: number;
  readonly watermarks: null;
}

/** A point as SelectSeries answers it. */
export interface TimelinePoint {
  /** Unix milliseconds. */
  readonly timestamp: bigint;
  readonly value: number;
}

const MINUTE = 60;
const HOUR = 3600;
const DAY = 24 * HOUR;
const WEEK = 7 * DAY;

/** A step for intervals up to a length, both in seconds. */
const steps: readonly (readonly [upTo: number, step: number])[] = [
  [17.5, 15],
  [25, 20],
  [45, 30],
  [1.5 * MINUTE, MINUTE],
  [3.5 * MINUTE, 2 * MINUTE],
  [7.5 * MINUTE, 5 * MINUTE],
  [12.5 * MINUTE, 10 * MINUTE],
  [17.5 * MINUTE, 15 * MINUTE],
  [25 * MINUTE, 20 * MINUTE],
  [45 * MINUTE, 30 * MINUTE],
  [1.5 * HOUR, HOUR],
  [2.5 * HOUR, 2 * HOUR],
  [4.5 * HOUR, 3 * HOUR],
  [9 * HOUR, 6 * HOUR],
  [DAY, 12 * HOUR],
  [WEEK, DAY],
  [3 * WEEK, WEEK],
];

/** Seconds between the points of a timeline of that range, about 1,500 of them (contract/pyroscope.md §5.9). @param start, end Unix milliseconds. */
export function timelineStep(start: bigint, end: bigint): number {
  const seconds = Number(end - start) / 1000 / 1500;
  const found = steps.find(([upTo]) => seconds <= upTo)?.[1];
  return found ?? (seconds < 6 * WEEK ? 30 * DAY : 365 * DAY);
}

/** @param start, end Unix milliseconds: both are cut to whole steps, and what lies outside [start, end) then is left out. @param step seconds. */
export function timelineOf(points: readonly TimelinePoint[], start: bigint, end: bigint, step: number): Timeline {
  const stepMs = BigInt(step) * 1000n;
  const from = (start / stepMs) * stepMs;
  const until = (end / stepMs) * stepMs;
  const samples = Array.from({ length: Number((until - from) / stepMs) }, () => 0);
  for (const { timestamp, value } of points)
    if (timestamp >= from && timestamp < until) samples[Number((timestamp - from) / stepMs)] = Math.trunc(value);
  return { startTime: Number(from / 1000n), samples, durationDelta: step, watermarks: null };
}
