const LEVELS = '▁▂▃▄▅▆▇█';

/**
 * A line of blocks, the largest value the highest; a blank where there is none. When there are more values than cells, a cell shows the mean of those in it.
 */
export function sparkline(values: readonly (number | undefined)[], cells: number): string {
  const width = Math.min(cells, values.length);
  const sums = new Float64Array(width);
  const counts = new Uint32Array(width);
  for (const [i, value] of values.entries()) {
    if (value === undefined) continue;
    const cell = Math.floor((i * width) / values.length);
    sums[cell]! += value;
    counts[cell]!++;
  }
  const means = sums.map((sum, cell) => (counts[cell] === 0 ? 0 : sum / counts[cell]!));
  const largest = Math.max(...means, Number.MIN_VALUE);
  return Array.from(means, (mean, cell) =>
    counts[cell] === 0 ? ' ' : LEVELS[Math.max(0, Math.ceil((mean / largest) * LEVELS.length) - 1)]!,
  ).join('');
}
