import { useEffect, useEffectEvent, useRef, type ReactNode } from 'react';
import { amountText } from '@kiln/model';
import UPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';
import { usePage } from '../app/page.ts';
import { stamp, type TimeRange } from '../app/time-range.ts';
import { axisSteps } from './axis-steps.ts';
import { groupColours } from './group-colours.ts';
import { rangeOfSteps, stacked, type TimelineData } from './timeline-data.ts';

const HEIGHT = 130;

/** Values over time on a canvas; a drag over steps zooms into them. Sums are bars on top of each other, means are lines. */
export function TimelineChart(props: {
  readonly data: TimelineData;
  readonly range: TimeRange;
  readonly unit: string;
  readonly aggregation: 'sum' | 'average';
  readonly onZoom: (range: TimeRange) => void;
  /** The step that the pointer is over; undefined = none. */
  readonly onStep: (step: number | undefined) => void;
}): ReactNode {
  const { data, range, unit, aggregation, onZoom, onStep } = props;
  const { theme } = usePage();
  const box = useRef<HTMLDivElement>(null);
  const zoomed = useEffectEvent((aMs: number, bMs: number) => {
    const steps = rangeOfSteps(data, aMs, bMs);
    if (steps !== undefined) onZoom(steps);
  });
  const pointed = useEffectEvent(onStep);
  useEffect(() => {
    const element = box.current!;
    const style = getComputedStyle(element);
    const colour = (name: string): string => style.getPropertyValue(name).trim();
    const axis = {
      stroke: colour('--muted'),
      font: `11px ${style.fontFamily}`,
      grid: { stroke: colour('--grid'), width: 1 },
      ticks: { show: false },
    };
    const steps = axisSteps(unit);
    const chart = new UPlot(
      {
        width: element.clientWidth,
        height: HEIGHT,
        // Half a label of the last time needs room at the right.
        padding: [8, 20, 0, 0],
        legend: { show: false },
        scales: {
          x: { time: true, range: [range.fromMs / 1000, range.untilMs / 1000] },
          y: { range: (_chart, _least, most) => [0, most > 0 ? most * 1.05 : 1] },
        },
        axes: [
          { ...axis, size: 24, space: 70, values: (_chart, splits) => timeTexts(splits) },
          {
            ...axis,
            size: 72,
            space: 24,
            ...(steps !== undefined && { incrs: steps }),
            values: (_chart, splits) => splits.map((value) => amountText(value, unit)),
          },
        ],
        cursor: {
          drag: { x: true, y: false, setScale: false, dist: 4 },
          y: false,
          points: { show: false },
        },
        hooks: {
          setSelect: [
            (drawn) => {
              const { left, width } = drawn.select;
              if (width > 0) zoomed(drawn.posToVal(left, 'x') * 1000, drawn.posToVal(left + width, 'x') * 1000);
            },
          ],
          setCursor: [({ cursor }) => pointed(cursor.idx ?? undefined)],
        },
        series: [{}, ...seriesOf(data, aggregation, groupColours(theme, data.rest > 0))],
      },
      columnsOf(data, aggregation),
      element,
    );
    const resized = new ResizeObserver(() => chart.setSize({ width: element.clientWidth, height: HEIGHT }));
    resized.observe(element);
    return () => {
      resized.disconnect();
      chart.destroy();
    };
  }, [data, range.fromMs, range.untilMs, unit, aggregation, theme]);
  return <div className="timeline-chart" ref={box} aria-hidden="true" />;
}

/** Times of an axis, seconds: with the day at the first; where a new one begins it stands alone, and where all are of midnight. */
function timeTexts(splits: readonly number[]): string[] {
  const texts = splits.map((seconds) => stamp(seconds * 1000));
  const midnight = texts.every((text) => text.endsWith('00:00:00'));
  return texts.map((text, i) => {
    const day = text.slice(5, 10);
    const time = text.endsWith(':00') ? text.slice(11, 16) : text.slice(11);
    if (midnight) return day;
    if (i === 0) return `${day} ${time}`;
    return texts[i - 1]!.slice(0, 10) === text.slice(0, 10) ? time : day;
  });
}

/** Times are the middles of steps, in seconds as uPlot wants them; what is drawn last, the lowest of a stack, covers the others. */
function columnsOf(data: TimelineData, aggregation: 'sum' | 'average'): UPlot.AlignedData {
  const middles = Float64Array.from(data.edgesMs, (edge) => (edge - data.stepMs / 2) / 1000);
  const columns =
    aggregation === 'sum'
      ? stacked(data.groups).toReversed()
      : data.groups.map(({ values }) => Array.from(values, (value) => (Number.isNaN(value) ? null : value)));
  return [middles, ...columns];
}

function seriesOf(
  { groups }: TimelineData,
  aggregation: 'sum' | 'average',
  colours: (group: number, groups: number) => string,
): UPlot.Series[] {
  const series = groups.map((_, i) => colours(i, groups.length));
  if (aggregation === 'average')
    return series.map((stroke) => ({ stroke, width: 1.5, spanGaps: true, points: { show: true, size: 4 } }));
  const bars = UPlot.paths.bars!({ size: [0.85, 40], align: 0 });
  return series.toReversed().map((fill) => ({ fill, stroke: fill, width: 0, paths: bars, points: { show: false } }));
}
