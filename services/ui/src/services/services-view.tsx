import { useEffect, useEffectEvent, type ReactNode } from 'react';
import { askServices, askStats, type ServiceKinds } from '../api/calls.ts';
import { Outcome, Panel, Refused } from '../app/panel.tsx';
import { usePage } from '../app/page.ts';
import { rangeText, resolveRange, stamp, type TimeRange } from '../app/time-range.ts';
import { useAnswer } from '../app/use-answer.ts';
import { Rejections } from './rejections.tsx';
import { SendProfiles } from './send-profiles.tsx';
import { ServiceTable } from './service-table.tsx';

/** Everything that sends profiles: the way in. */
export function ServicesView(): ReactNode {
  const { address, nowMs } = usePage();
  const range = resolveRange(address.from, address.until, nowMs);
  return (
    <div className="view">
      <h1 className="visually-hidden">Services</h1>
      {typeof range === 'string' ? <Refused message={range} /> : <Services range={range} />}
      <Rejections />
      <details className="panel">
        <summary>Send profiles from another program</summary>
        <SendProfiles />
      </details>
    </div>
  );
}

function Services({ range }: { readonly range: TimeRange }): ReactNode {
  const { address, go } = usePage();
  const shown = useAnswer(JSON.stringify(['services', range]), (client, signal) => askServices(client, range, signal));
  const found = shown.value === undefined ? [] : matching(shown.value, address.find);
  const count = shown.value?.length ?? 0;
  return (
    <Panel
      title={count === 0 ? 'Services' : `Services (${found.length === count ? count : `${found.length} of ${count}`})`}
      busy={shown.loading}
      actions={
        count > 0 && (
          <input
            type="search"
            aria-label="Search services"
            placeholder="Search services"
            value={address.find}
            onChange={(event) => go({ find: event.target.value }, 'replace')}
          />
        )
      }
    >
      <Outcome shown={shown} what="services" isEmpty={(services) => services.length === 0} empty={<NoServices />}>
        {() =>
          found.length === 0 ? (
            <p className="state">No service has {JSON.stringify(address.find)} in its name or kinds.</p>
          ) : (
            <ServiceTable services={found} range={range} />
          )
        }
      </Outcome>
    </Panel>
  );
}

function matching(services: readonly ServiceKinds[], find: string): readonly ServiceKinds[] {
  const text = find.trim().toLowerCase();
  if (text === '') return services;
  return services.filter(({ service, kinds }) => [service, ...kinds].some((name) => name.toLowerCase().includes(text)));
}

const NEXT_LOOK_MS = 5_000;

/** No profiles in the range: where there are some, or how to send the first. */
function NoServices(): ReactNode {
  const { address, go, clock, round, refresh } = usePage();
  const stats = useAnswer('stats', askStats);
  // Who has just pasted the lines waits for the first profile.
  const look = useEffectEvent(refresh);
  useEffect(() => clock.after(NEXT_LOOK_MS, () => look()), [clock, round]);
  const newestMs = stats.value?.newestMs ?? 0;
  if (stats.value?.ingested === true)
    return (
      <>
        <p>
          No profiles in this range ({rangeText(address.from, address.until)}). The newest is of {stamp(newestMs)}.
        </p>
        <button type="button" onClick={() => go({ from: String(newestMs - 3_600_000), until: String(newestMs + 1) })}>
          Show the hour before it
        </button>
      </>
    );
  return (
    <>
      <h3>No profiles yet</h3>
      <p>Start a program that sends some: paste the lines of its language. They appear here within seconds.</p>
      <SendProfiles />
    </>
  );
}
