import type { ReactNode } from 'react';
import type { TimeSeries } from '../api/calls.ts';
import type { TimeRange } from '../app/time-range.ts';

const WIDTH = 160;
const HEIGHT = 24;

/** A small picture of values over time: a bar for each step that has one. */
export function Sparkline(props: {
  readonly series: TimeSeries | undefined;
  readonly range: TimeRange;
  readonly stepMs: number;
  readonly label: string;
}): ReactNode {
  const { series, range, stepMs, label } = props;
  return (
    <svg
      className="sparkline"
      viewBox={`0 0 ${WIDTH} ${HEIGHT}`}
      width={WIDTH}
      height={HEIGHT}
      role="img"
      aria-label={label}
    >
      <path d={`M0 ${HEIGHT - 0.5}H${WIDTH}`} className="base" />
      {series !== undefined && <path d={barsPath(series, range, stepMs)} className="bars" />}
    </svg>
  );
}

function barsPath({ timesMs, values }: TimeSeries, { fromMs, untilMs }: TimeRange, stepMs: number): string {
  const most = values.reduce((largest, value) => Math.max(largest, value), 0);
  if (most <= 0) return '';
  const width = Math.max(1, (WIDTH * stepMs) / (untilMs - fromMs) - 0.5);
  return timesMs
    .map((timeMs, i) => {
      const left = Math.max(0, (WIDTH * (timeMs - stepMs - fromMs)) / (untilMs - fromMs));
      const height = Math.max(1, (HEIGHT - 1) * (values[i]! / most));
      return `M${left.toFixed(1)} ${HEIGHT}v${(-height).toFixed(1)}h${width.toFixed(1)}v${height.toFixed(1)}z`;
    })
    .join('');
}
