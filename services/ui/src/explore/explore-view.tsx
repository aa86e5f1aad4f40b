import { useEffect, useEffectEvent, type ReactNode } from 'react';
import { askKinds } from '../api/calls.ts';
import { aggregationOf, firstKind, titleAmong } from '../api/kinds.ts';
import { isPartial, Notes, Panel, Refused, UNKNOWN } from '../app/panel.tsx';
import { usePage } from '../app/page.ts';
import { shortText } from '../app/short-text.ts';
import { resolveRange, type TimeRange } from '../app/time-range.ts';
import { Link } from '../app/top-bar.tsx';
import { useAnswer, type Shown } from '../app/use-answer.ts';
import { AggregationMenu } from './aggregation-menu.tsx';
import { FlamePanel } from './flame-panel.tsx';
import { KindMenu } from './kind-menu.tsx';
import { SelectorBar } from './selector-bar.tsx';
import { readSelector } from './selector-text.ts';
import { ServiceMenu } from './service-menu.tsx';
import { Timeline } from './timeline.tsx';

/** One selection of profiles: when, and where in the code. */
export function ExploreView(): ReactNode {
  const { address, nowMs } = usePage();
  const range = resolveRange(address.from, address.until, nowMs);
  return (
    <div className="view">
      <h1 className="visually-hidden">Explore</h1>
      {typeof range === 'string' ? <Refused message={range} /> : <Explored range={range} />}
    </div>
  );
}

function Explored({ range }: { readonly range: TimeRange }): ReactNode {
  const { address, go } = usePage();
  const read = readSelector(address.selector);
  const selector = read.ok ? read.text : undefined;
  const kinds = useKinds(selector, range);
  const kind = useChosenKind(kinds.value);
  const aggregation = address.aggregation === '' ? aggregationOf(kind) : address.aggregation;
  const setSelector = (next: string): void => go({ selector: next });
  return (
    <>
      <div className="query-bar">
        <ServiceMenu selector={address.selector} range={range} label="Service" onSelector={setSelector} />
        <KindMenu kind={kind} kinds={kinds.value} onKind={(next) => go({ kind: next })} />
        <AggregationMenu kind={kind} />
        <SelectorBar label="Selector" selector={address.selector} range={range} onSelector={setSelector} />
      </div>
      {!read.ok ? (
        <Panel title="Nothing is shown">
          <div className="state refused" role="alert">
            <p>{read.message}</p>
          </div>
        </Panel>
      ) : kind === '' ? (
        <NoKind kinds={kinds} />
      ) : (
        <>
          <OtherKinds kind={kind} kinds={kinds.value} />
          <Timeline
            selection={{ kind, selector: read.text, range }}
            aggregation={aggregation}
            groupBy={address.groupBy}
            onZoom={({ fromMs, untilMs }) => go({ from: String(fromMs), until: String(untilMs) })}
          />
          <FlamePanel selection={{ kind, selector: read.text, range }} />
        </>
      )}
    </>
  );
}

function NoKind({ kinds }: { readonly kinds: Shown<readonly string[]> }): ReactNode {
  const known = kinds.value !== undefined;
  if (kinds.trouble !== undefined) return <Refused message={kinds.trouble.message} />;
  return (
    <Panel title="Profiles" busy={!known}>
      <Notes notes={kinds.notes} />
      <div className="state" role="status">
        {known ? (
          <>
            <p>
              {isPartial(kinds.notes)
                ? UNKNOWN
                : 'No profiles match this selector in this range. Try a longer range, or another selector.'}
            </p>
            <Link to={{ view: 'services' }}>All services, and how to send profiles</Link>
          </>
        ) : (
          <p>Looking for profiles…</p>
        )}
      </div>
    </Panel>
  );
}

/** Where the chosen kind is gone, those that are there. */
function OtherKinds({
  kind,
  kinds,
}: {
  readonly kind: string;
  readonly kinds: readonly string[] | undefined;
}): ReactNode {
  if (kinds === undefined || kinds.length === 0 || kinds.includes(kind)) return undefined;
  return (
    <p className="note" role="note">
      Nothing that the selector matches in this range is of the kind {shortText(kind, 100)}. There is{' '}
      {kinds.map((id) => (
        <Link key={id} to={{ kind: id }} className="chip" title={id}>
          {titleAmong(id, kinds)}
        </Link>
      ))}
    </p>
  );
}

/** The kinds of what a selector matches. */
export function useKinds(selector: string | undefined, range: TimeRange): Shown<string[]> {
  const key = selector === undefined ? undefined : JSON.stringify(['kinds', selector, range]);
  return useAnswer(key, (client, signal) => askKinds(client, selector!, range, signal));
}

/** The kind of the address; where it names none, the most telling one that there is, which the address then names. */
export function useChosenKind(kinds: readonly string[] | undefined): string {
  const { address, go } = usePage();
  const chosen = address.kind === '' ? firstKind(kinds ?? []) : address.kind;
  const nameIt = useEffectEvent((kind: string) => go({ kind }, 'replace'));
  useEffect(() => {
    if (chosen !== '') nameIt(chosen);
  }, [chosen]);
  return chosen;
}
