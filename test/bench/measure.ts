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

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)]!;
}

/** Milliseconds of one call. */
export function timed(run: () => unknown): number {
  const began = performance.now();
  run();
  return performance.now() - began;
}

/** Runs the alternatives in turns, one round to warm up and then `rounds`; milliseconds of each, round by round. */
export function interleave<K extends string>(
  rounds: number,
  alternatives: Readonly<Record<K, () => unknown>>,
): Record<K, number[]> {
  const names = Object.keys(alternatives) as K[];
  const times = Object.fromEntries(names.map((name) => [name, [] as number[]])) as Record<K, number[]>;
  for (let round = 0; round <= rounds; round++) {
    for (const name of names) {
      const ms = timed(alternatives[name]);
      if (round > 0) times[name].push(ms);
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
