import { useMemo, useState, type ReactNode } from 'react';
import { amountText } from '@kiln/model';
import { askLabelNames, askTimeSeries, type Selection, type TimeSeries } from '../api/calls.ts';
import { kindTitle, unitOf } from '../api/kinds.ts';
import { Outcome, Panel } from '../app/panel.tsx';
import { usePage } from '../app/page.ts';
import { shortText } from '../app/short-text.ts';
import { stamp, stepOf, type TimeRange } from '../app/time-range.ts';
import { useAnswer } from '../app/use-answer.ts';
import { groupColours, MOST_GROUPS } from './group-colours.ts';
import { MEAN_OF_SERIES } from './means.ts';
import { withValue } from './selector-text.ts';
import { TimelineChart } from './timeline-chart.tsx';
import { timelineData, type TimelineData, type TimelineGroup } from './timeline-data.ts';

/** What is drawn, and all that was asked to get it: that stays its own while the next is awaited. */
interface Drawn {
  readonly series: readonly TimeSeries[];
  readonly range: TimeRange;
  readonly stepMs: number;
  readonly unit: string;
  readonly groupBy: string;
  readonly aggregation: 'sum' | 'average';
}

/** Values over time: where to look closer. */
export function Timeline(props: {
  readonly selection: Selection;
  readonly aggregation: 'sum' | 'average';
  /** Label to group by, '' = none; undefined = groups are not offered. */
  readonly groupBy?: string;
  readonly onZoom: (range: TimeRange) => void;
}): ReactNode {
  const { selection, aggregation, groupBy, onZoom } = props;
  const { range } = selection;
  const stepMs = stepOf(range.untilMs - range.fromMs);
  const ask = { stepMs, groupBy: groupBy ?? '', aggregation };
  const shown = useAnswer<Drawn>(JSON.stringify(['timeline', selection, ask]), (client, signal) =>
    askTimeSeries(client, selection, ask, signal).then((answer) =>
      answer.ok ? { ...answer, value: { series: answer.value, range, unit: unitOf(selection.kind), ...ask } } : answer,
    ),
  );
  const per = stepText(stepMs);
  return (
    <Panel
      className="timeline"
      title={
        aggregation === 'sum' ? (
          `${kindTitle(selection.kind)}, sum of each ${per}`
        ) : (
          <span className="explained" title={MEAN_OF_SERIES}>
            {kindTitle(selection.kind)} per series, mean of each {per}
          </span>
        )
      }
      busy={shown.loading}
      actions={
        <>
          {groupBy !== undefined && <GroupBy selection={selection} />}
          <RangeButtons range={range} onRange={onZoom} />
        </>
      }
    >
      <Outcome
        shown={shown}
        what="the timeline"
        isEmpty={({ series }) => series.every(({ values }) => values.length === 0)}
        empty={<p>No profiles in this range. Try a longer one, or another selector.</p>}
      >
        {(value) => <GroupedTimeline {...value} onZoom={onZoom} />}
      </Outcome>
    </Panel>
  );
}

function GroupedTimeline(props: Drawn & { readonly onZoom: (range: TimeRange) => void }): ReactNode {
  const { series, range, stepMs, unit, aggregation, groupBy, onZoom } = props;
  const [step, setStep] = useState<number>();
  const data = useMemo(
    () => timelineData(series, range, stepMs, MOST_GROUPS, aggregation),
    [series, range.fromMs, range.untilMs, stepMs, aggregation],
  );
  return (
    <>
      <TimelineChart data={data} range={range} unit={unit} aggregation={aggregation} onZoom={onZoom} onStep={setStep} />
      <p className="timeline-at mono-digits" aria-hidden="true">
        {step === undefined ? 'Drag over a stretch to zoom into it.' : stepSentence(data, step, unit, groupBy)}
      </p>
      <p className="visually-hidden">{summary(data, unit)}</p>
      {groupBy !== '' && <Legend data={data} unit={unit} aggregation={aggregation} />}
    </>
  );
}

/** Which colour is which group; a click looks at that group alone. */
function Legend(props: {
  readonly data: TimelineData;
  readonly unit: string;
  readonly aggregation: 'sum' | 'average';
}): ReactNode {
  const { data, unit, aggregation } = props;
  const { address, go, theme } = usePage();
  const colours = groupColours(theme, data.rest > 0);
  const isRest = (i: number): boolean => data.rest > 0 && i === data.groups.length - 1;
  const text = ({ total }: TimelineGroup, i: number): string => {
    const shown = nameOf(data, i, `no ${address.groupBy}`);
    return aggregation === 'sum' ? `${shown} ${amountText(total, unit)}` : shown;
  };
  return (
    <ul className="legend">
      {data.groups.map((group, i) => (
        <li key={isRest(i) ? '\0' : group.name}>
          <i style={{ background: colours(i, data.groups.length) }} />
          {isRest(i) ? (
            text(group, i)
          ) : (
            <button
              type="button"
              className="plain"
              title={`Only ${address.groupBy}=${JSON.stringify(group.name.slice(0, 200))}`}
              onClick={() => go({ selector: withValue(address.selector, address.groupBy, group.name), groupBy: '' })}
            >
              {text(group, i)}
            </button>
          )}
        </li>
      ))}
      {data.leftOut > 0 && <li>{data.leftOut} more are not drawn</li>}
    </ul>
  );
}

/** What a group is called; the rest of many by their number. */
function nameOf({ groups, rest }: TimelineData, i: number, nameless: string): string {
  if (rest > 0 && i === groups.length - 1) return `${rest} more`;
  const { name } = groups[i]!;
  return name === '' ? nameless : shortText(name, 40);
}

function GroupBy({ selection }: { readonly selection: Selection }): ReactNode {
  const { address, go } = usePage();
  const { selector, range } = selection;
  const shown = useAnswer(JSON.stringify(['labels', selector, range]), (client, signal) =>
    askLabelNames(client, selector, range, signal),
  );
  const names = new Set([...(shown.value ?? []), ...(address.groupBy === '' ? [] : [address.groupBy])]);
  return (
    <select aria-label="Group by" value={address.groupBy} onChange={(event) => go({ groupBy: event.target.value })}>
      <option value="">No groups</option>
      {[...names].map((name) => (
        <option key={name} value={name}>
          by {shortText(name, 40)}
        </option>
      ))}
    </select>
  );
}

/** Moves and widens the range: what a drag does for those who drag nothing. */
function RangeButtons(props: { readonly range: TimeRange; readonly onRange: (range: TimeRange) => void }): ReactNode {
  const { onRange } = props;
  const { fromMs, untilMs } = props.range;
  const half = Math.ceil((untilMs - fromMs) / 2);
  const button = (label: string, text: string, range: TimeRange): ReactNode => (
    <button type="button" aria-label={label} title={label} onClick={() => onRange(range)}>
      {text}
    </button>
  );
  return (
    <div className="joined">
      {button('Earlier', '←', { fromMs: fromMs - half, untilMs: untilMs - half })}
      {button('Zoom in', '+', { fromMs: fromMs + Math.floor(half / 2), untilMs: untilMs - Math.floor(half / 2) })}
      {button('Zoom out', '−', { fromMs: fromMs - half, untilMs: untilMs + half })}
      {button('Later', '→', { fromMs: fromMs + half, untilMs: untilMs + half })}
    </div>
  );
}

function stepSentence(data: TimelineData, step: number, unit: string, groupBy: string): string {
  const { edgesMs, stepMs, groups } = data;
  const edge = edgesMs[step];
  if (edge === undefined) return '';
  const values = groups.flatMap(({ values: column }, i) => {
    const value = column[step]!;
    const text = Number.isNaN(value) ? '' : amountText(value, unit);
    return text === '' ? [] : [groupBy === '' ? text : `${nameOf(data, i, '–')} ${text}`];
  });
  return `${stamp(edge - stepMs)} – ${stamp(edge).slice(11)}: ${values.length === 0 ? 'no profiles' : values.join(' · ')}`;
}

/** The timeline for those who do not see it. */
function summary(data: TimelineData, unit: string): string {
  const { groups, edgesMs, stepMs } = data;
  return groups
    .map(({ values }, i) => {
      let most = -1;
      values.forEach((value, step) => {
        if (value > (values[most] ?? Number.NEGATIVE_INFINITY)) most = step;
      });
      if (most < 0) return '';
      const when = `${stamp(edgesMs[most]! - stepMs)} to ${stamp(edgesMs[most]!)}`;
      const name = nameOf(data, i, '');
      return `${name === '' ? 'The' : `${name}: the`} highest value is ${amountText(values[most]!, unit)}, ${when}.`;
    })
    .join(' ');
}

function stepText(ms: number): string {
  if (ms < 60_000) return `${ms / 1000} s`;
  if (ms < 3_600_000) return ms === 60_000 ? 'minute' : `${ms / 60_000} min`;
  if (ms < 86_400_000) return ms === 3_600_000 ? 'hour' : `${ms / 3_600_000} h`;
  return ms === 86_400_000 ? 'day' : `${ms / 86_400_000} d`;
}
