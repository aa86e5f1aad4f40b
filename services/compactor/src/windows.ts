/** How rows are put into blocks by their time: days that are over into day windows, the rest into hour windows. All UTC. */
export interface Windows {
  readonly hourMs: number;
  readonly dayMs: number;
  /** The start of a day; what is older goes into day windows. */
  readonly daysBeforeMs: number;
}

/** How long after its end a window may still get rows as a matter of course: clocks differ, cuts take minutes. */
export const LATE_MS: number = 15 * 60_000;

/** The windows as they are now. */
export function windowsAt({ hourMs, dayMs }: Pick<Windows, 'hourMs' | 'dayMs'>, nowMs: number): Windows {
  return { hourMs, dayMs, daysBeforeMs: windowStart(nowMs - LATE_MS, dayMs) };
}

/** The start of the window of length `lengthMs` that a time lies in. */
export function windowStart(timeMs: number, lengthMs: number): number {
  return Math.floor(timeMs / lengthMs) * lengthMs;
}

/** 2 for a time that goes into a day window, else 1. */
export function levelOf({ daysBeforeMs }: Windows, timeMs: number): 1 | 2 {
  return timeMs < daysBeforeMs ? 2 : 1;
}

/** The start of the window that a row of this time goes into. */
export function windowOf(windows: Windows, timeMs: number): number {
  return windowStart(timeMs, levelOf(windows, timeMs) === 2 ? windows.dayMs : windows.hourMs);
}
