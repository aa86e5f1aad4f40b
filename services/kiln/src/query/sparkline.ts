const LEVELS = '▁▂▃▄▅▆▇█';

/**
 * A line of blocks, the largest value the highest; a blank where there is none. When there are more steps than cells, a cell shows the mean of the values in it.
 * @param values steps from 0 on with their values; a step without one costs nothing, because a short step has very many of them.
 * @param count of steps.
 */
export function sparkline(
  values: Iterable<readonly [step: number, value: number]>,
  count: number,
  cells: number,
): string {
  const width = Math.min(cells, count);
  const sums = new Float64Array(width);
  const counts = new Uint32Array(width);
  for (const [step, value] of values) {
    const cell = Math.floor((step * width) / count);
    sums[cell]! += value;
    counts[cell]!++;
  }
  const means = sums.map((sum, cell) => (counts[cell] === 0 ? 0 : sum / counts[cell]!));
  const largest = Math.max(...means, Number.MIN_VALUE);
  return Array.from(means, (mean, cell) =>
    counts[cell] === 0 ? ' ' : LEVELS[Math.max(0, Math.ceil((mean / largest) * LEVELS.length) - 1)]!,
  ).join('');
}
