import { useState, type ReactNode } from 'react';
import type { ServiceKinds, TimeSeries } from '../api/calls.ts';
import { aggregationOf, firstKind, kindTitle, titleAmong, unitOf } from '../api/kinds.ts';
import { shortText } from '../app/short-text.ts';
import { plainAddress } from '../app/address.ts';
import { Notes } from '../app/panel.tsx';
import { usePage } from '../app/page.ts';
import { agoText, stamp, stepOf, type TimeRange } from '../app/time-range.ts';
import { Link } from '../app/top-bar.tsx';
import { useAnswer } from '../app/use-answer.ts';
import { MEAN_OF_SERIES } from '../explore/means.ts';
import { serviceSelector } from '../explore/selector-text.ts';
import { amountText } from '@kiln/model';
import { askActivity, refusalOf, refusalText, sumOf, type Activity } from './activity.ts';
import { Sparkline } from './sparkline.tsx';

const PAGE_ROWS = 200;

/** The services with what they sent over time; each kind leads to its flame graph. */
export function ServiceTable(props: {
  readonly services: readonly ServiceKinds[];
  readonly range: TimeRange;
}): ReactNode {
  const { services, range } = props;
  const [rows, setRows] = useState(PAGE_ROWS);
  const stepMs = stepOf(range.untilMs - range.fromMs) * 2;
  const wanted = [...new Set(services.map(({ kinds }) => firstKind(kinds)))].toSorted();
  const activity = useAnswer(JSON.stringify(['activity', wanted, range]), (client, signal) =>
    askActivity(client, wanted, range, stepMs, signal),
  );
  return (
    <>
      <Notes notes={activity.notes} />
      <table className="services">
        <thead>
          <tr>
            <th scope="col">Service</th>
            <th scope="col">Activity</th>
            <th scope="col" className="number">
              In this range
            </th>
            <th scope="col">Kinds</th>
            <th scope="col">Last seen</th>
          </tr>
        </thead>
        <tbody>
          {services.slice(0, rows).map((service) => (
            <ServiceRow
              key={service.service}
              service={service}
              range={range}
              stepMs={stepMs}
              activity={activity.value}
            />
          ))}
        </tbody>
      </table>
      {services.length > rows && (
        <button type="button" onClick={() => setRows(rows + PAGE_ROWS)}>
          Show {Math.min(PAGE_ROWS, services.length - rows)} more of {services.length}
        </button>
      )}
      {activity.trouble !== undefined && activity.value === undefined && (
        <p className="note">Activity is not shown: {activity.trouble.message}</p>
      )}
      {activity.value?.refused.map((refusal) => (
        <p className="note" key={JSON.stringify(refusal)}>
          {refusalText(refusal)}
        </p>
      ))}
    </>
  );
}

/** The end of the newest step of any of the kinds asked for; undefined when there is none. */
function lastSeen(activity: Activity | undefined, service: string): number | undefined {
  const ends = [...(activity?.series.values() ?? [])].flatMap((of) => of.get(service)?.timesMs.at(-1) ?? []);
  return ends.length === 0 ? undefined : Math.max(...ends);
}

function ServiceRow(props: {
  readonly service: ServiceKinds;
  readonly range: TimeRange;
  readonly stepMs: number;
  readonly activity: Activity | undefined;
}): ReactNode {
  const { service, range, stepMs, activity } = props;
  const { nowMs, address } = usePage();
  const kind = firstKind(service.kinds);
  const selector = serviceSelector(service.service);
  const { flame, groupBy } = plainAddress;
  const to = { view: 'explore', from: address.from, until: address.until, selector, flame, groupBy } as const;
  const series = activity?.series.get(kind)?.get(service.service);
  const refusal = activity === undefined ? undefined : refusalOf(activity, kind, service.service);
  // A step ends when it ends, also when it has only begun.
  const lastMs = Math.min(lastSeen(activity, service.service) ?? Number.NaN, nowMs);
  return (
    <tr>
      <th scope="row">
        <Link to={{ ...to, kind }} className="service-name" title={service.service.slice(0, 500)}>
          {service.service === '' ? '(no service name)' : shortText(service.service, 100)}
        </Link>
      </th>
      <td>
        <Sparkline series={series} range={range} stepMs={stepMs} label={`${kindTitle(kind)} over time`} />
      </td>
      <td className="number" title={refusal === undefined ? amountHint(kind) : refusalText(refusal)}>
        {refusal !== undefined ? <em className="hint">not shown</em> : series && amountOf(series, kind)}
      </td>
      <td className="kinds">
        {service.kinds.map((id) => (
          <Link key={id} to={{ ...to, kind: id }} className="chip" title={id}>
            {titleAmong(id, service.kinds)}
          </Link>
        ))}
      </td>
      <td>{Number.isNaN(lastMs) ? '' : <time title={stamp(lastMs)}>{agoText(nowMs - lastMs)}</time>}</td>
    </tr>
  );
}

/** What the amount of a row is of. */
function amountHint(kind: string): string {
  return aggregationOf(kind) === 'sum' ? kindTitle(kind) : `${kindTitle(kind)}, newest step. ${MEAN_OF_SERIES}`;
}

/** The sum of a range, or the newest mean of what is held at an instant. */
function amountOf({ values }: TimeSeries, kind: string): ReactNode {
  if (aggregationOf(kind) === 'average')
    return (
      <>
        {amountText(values.at(-1) ?? 0, unitOf(kind))} <span className="hint">mean</span>
      </>
    );
  return amountText(sumOf(values), unitOf(kind));
}
