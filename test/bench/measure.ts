/** One line of the table. Ratios are medians over rounds in which the alternatives took turns. */
export interface Row {
  readonly name: string;
  readonly median: number;
  readonly min: number;
  readonly max: number;
  readonly unit: string;
  /** At most; undefined where there is none. */
  readonly target?: number;
  readonly note?: string;
}

/** How long to measure: at least so many rounds, and on until so many seconds have passed. */
export interface Effort {
  readonly rounds: number;
  readonly seconds: number;
}

/** Code that has not been compiled for its types yet is another program: these rounds are not counted. */
export const WARM_UP = 2;

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)]!;
}

/**
 * Milliseconds of CPU that one call takes, threads of the collector included: on a busy machine wall time measures the neighbours. Nothing is
 * collected in between: a forced collection drops the hidden classes of objects that do not live just then, and with them all code compiled for them.
 */
export function timed(run: () => unknown): number {
  const began = process.cpuUsage();
  run();
  const { user, system } = process.cpuUsage(began);
  return (user + system) / 1_000;
}

/** Runs the alternatives in turns, round by round; milliseconds of CPU of each, by round. */
export function interleave<K extends string>(
  { rounds, seconds }: Effort,
  alternatives: Readonly<Record<K, () => unknown>>,
): Record<K, number[]> {
  const names = Object.keys(alternatives) as K[];
  const times = Object.fromEntries(names.map((name) => [name, [] as number[]])) as Record<K, number[]>;
  const until = performance.now() + seconds * 1_000;
  for (let round = 0; round < WARM_UP + rounds || performance.now() < until; round++) {
    for (const name of names) {
      const ms = timed(alternatives[name]);
      if (round >= WARM_UP) times[name].push(ms);
    }
  }
  return times;
}

/** A row of a quantity measured once a round. */
export function row(name: string, values: readonly number[], unit: string, target?: number, note?: string): Row {
  const bounds = { median: median(values), min: Math.min(...values), max: Math.max(...values) };
  return {
    name,
    ...bounds,
    unit,
    ...(target === undefined ? {} : { target }),
    ...(note === undefined ? {} : { note }),
  };
}

/** A row of the ratio of two alternatives, round by round. */
export function ratio(
  name: string,
  times: readonly number[],
  of: readonly number[],
  unit: string,
  target?: number,
  note?: string,
): Row {
  return row(
    name,
    times.map((ms, round) => ms / of[round]!),
    unit,
    target,
    note,
  );
}
