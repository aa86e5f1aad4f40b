import { useMemo, type ReactNode } from 'react';
import { askDiff, askFlame, type FlameAnswer, type Selection } from '../api/calls.ts';
import type { Note } from '../api/client.ts';
import { aggregationOf } from '../api/kinds.ts';
import type { Address, Side } from '../app/address.ts';
import { isPartial, Notes, Outcome, Panel, Refused, UNKNOWN } from '../app/panel.tsx';
import { usePage } from '../app/page.ts';
import { resolveRange, type TimeRange } from '../app/time-range.ts';
import { useAnswer, type Shown } from '../app/use-answer.ts';
import { AggregationMenu } from '../explore/aggregation-menu.tsx';
import { useChosenKind, useKinds } from '../explore/explore-view.tsx';
import { amountOf, Panes } from '../explore/flame-panel.tsx';
import { KindMenu } from '../explore/kind-menu.tsx';
import { readSelector } from '../explore/selector-text.ts';
import { useFlameState } from '../explore/use-flame-state.ts';
import { FlameGraph } from '../flame/flame-graph.tsx';
import type { FlameDiffData } from '../flame/props.ts';
import { ChangesTable } from './changes-table.tsx';
import { diffOfGraphs } from './diff-of-graphs.ts';
import { SideCard } from './side-card.tsx';

/** Two selections of profiles of one kind: beside each other, as a difference, and function by function. */
export function CompareView(): ReactNode {
  const { address, nowMs, go } = usePage();
  const { selector, from, until, right } = address;
  const left: Side = { selector, from, until };
  const leftRange = resolveRange(left.from, left.until, nowMs);
  const rightRange = resolveRange(right.from, right.until, nowMs);
  const { kinds, notes, message } = useKindsOfBoth(left, leftRange, right, rightRange);
  const kind = useChosenKind(kinds);
  const aggregation = address.aggregation === '' ? aggregationOf(kind) : address.aggregation;
  const leftSelection = selectionOf(kind, left, leftRange);
  const rightSelection = selectionOf(kind, right, rightRange);
  return (
    <div className="view">
      <h1 className="visually-hidden">Compare</h1>
      <div className="query-bar">
        <KindMenu kind={kind} kinds={kinds} onKind={(next) => go({ kind: next })} />
        <AggregationMenu kind={kind} />
        <select
          aria-label="Comparison"
          value={address.comparison}
          onChange={(event) => go({ comparison: event.target.value as Address['comparison'] })}
        >
          <option value="diff">Difference</option>
          <option value="sides">Side by side</option>
        </select>
        <button type="button" onClick={() => go({ ...right, right: left })}>
          Swap
        </button>
        <button type="button" onClick={() => go({ ...right, ...rangeBefore(rightRange) })}>
          Compare with the time before
        </button>
      </div>
      <div className="sides">
        <SideCard name="Left" side={left} range={leftRange} {...{ kind, aggregation }} onSide={go} />
        <SideCard
          name="Right"
          side={right}
          range={rightRange}
          {...{ kind, aggregation }}
          onSide={(change) => go({ right: { ...right, ...change } })}
        />
      </div>
      {leftSelection === undefined || rightSelection === undefined ? (
        <NoComparison message={message} notes={notes} none={kinds?.length === 0} />
      ) : (
        <Compared left={leftSelection} right={rightSelection} />
      )}
    </div>
  );
}

type Ranged = ReturnType<typeof resolveRange>;

/** The right side's range, one length earlier. */
function rangeBefore(range: Ranged): Partial<Side> {
  if (typeof range === 'string') return {};
  const length = range.untilMs - range.fromMs + 1;
  return { from: String(range.fromMs - length), until: String(range.fromMs - 1) };
}

function selectionOf(kind: string, side: Side, range: Ranged): Selection | undefined {
  const read = readSelector(side.selector);
  return kind === '' || !read.ok || typeof range === 'string' ? undefined : { kind, selector: read.text, range };
}

/** The kinds of either side, undefined until one has told; the sentence of one that refused. */
function useKindsOfBoth(
  left: Side,
  leftRange: Ranged,
  right: Side,
  rightRange: Ranged,
): { kinds: readonly string[] | undefined; notes: readonly Note[]; message: string | undefined } {
  const ofLeft = useKinds(...asked(left, leftRange));
  const ofRight = useKinds(...asked(right, rightRange));
  const { value, notes, trouble } = both(ofLeft, ofRight);
  const kinds = value ?? [ofLeft.value, ofRight.value].filter((found) => found !== undefined);
  return {
    kinds: kinds.length === 0 ? undefined : [...new Set(kinds.flat())],
    notes,
    message: trouble?.message,
  };
}

/** What to ask the kinds of: nothing where a side cannot be read. */
function asked(side: Side, range: Ranged): [selector: string | undefined, range: TimeRange] {
  const read = readSelector(side.selector);
  return typeof range === 'string' || !read.ok ? [undefined, { fromMs: 0, untilMs: 1 }] : [read.text, range];
}

function NoComparison(props: {
  readonly message: string | undefined;
  readonly notes: readonly Note[];
  readonly none: boolean;
}): ReactNode {
  const { message, notes, none } = props;
  if (message !== undefined) return <Refused message={message} />;
  return (
    <Panel title="Comparison">
      <Notes notes={notes} />
      <p className="state">
        {none
          ? isPartial(notes)
            ? UNKNOWN
            : 'No profiles match either selector in its range.'
          : 'Choose a kind, and a selector and a range for each side.'}
      </p>
    </Panel>
  );
}

function Compared({ left, right }: { readonly left: Selection; readonly right: Selection }): ReactNode {
  const { address } = usePage();
  const ofLeft = useWhole(left);
  const ofRight = useWhole(right);
  const averages = (address.aggregation === '' ? aggregationOf(left.kind) : address.aggregation) === 'average';
  return (
    <>
      {address.comparison === 'sides' ? (
        <div className="sides">
          <SidePanel name="Left" selection={left} shown={ofLeft} />
          <SidePanel name="Right" selection={right} shown={ofRight} />
        </div>
      ) : averages ? (
        <DifferenceOfAverages left={ofLeft} right={ofRight} />
      ) : (
        <DifferenceOfSums left={left} right={right} />
      )}
      <Panel title="Functions" busy={ofLeft.loading || ofRight.loading}>
        <Outcome shown={both(ofLeft, ofRight)} what="the functions of both sides">
          {([leftAnswer, rightAnswer]) => <ChangesTable left={leftAnswer} right={rightAnswer} unit={leftAnswer.unit} />}
        </Outcome>
      </Panel>
    </>
  );
}

/** Two answers as one, which is there when both are. */
function both<T>(left: Shown<T>, right: Shown<T>): Shown<readonly [T, T]> {
  return {
    value: left.value === undefined || right.value === undefined ? undefined : [left.value, right.value],
    notes: [...left.notes, ...right.notes],
    trouble: left.trouble ?? right.trouble,
    loading: left.loading || right.loading,
  };
}

/** A side with all its functions: one that is missing in a part of them would count as new. */
function useWhole(selection: Selection): Shown<FlameAnswer> {
  const { aggregation } = usePage().address;
  return useAnswer(JSON.stringify(['side', selection, aggregation]), (client, signal) =>
    askFlame(client, selection, { aggregation, functions: 0 }, signal),
  );
}

function SidePanel(props: {
  readonly name: string;
  readonly selection: Selection;
  readonly shown: Shown<FlameAnswer>;
}): ReactNode {
  const { name, selection, shown } = props;
  return (
    <Panel
      title={
        shown.value === undefined ? (
          name
        ) : (
          <>
            {name}: {amountOf(shown.value)}
          </>
        )
      }
      busy={shown.loading}
    >
      <Outcome
        shown={shown}
        what={`the ${name.toLowerCase()} side`}
        isEmpty={({ total }) => total === 0}
        empty={<p>No profiles of this kind on this side.</p>}
      >
        {(answer) => <Panes answer={answer} selection={selection} panes="graph" />}
      </Outcome>
    </Panel>
  );
}

function DifferenceOfSums({ left, right }: { readonly left: Selection; readonly right: Selection }): ReactNode {
  const shown = useAnswer(JSON.stringify(['diff', left, right]), (client, signal) =>
    askDiff(client, left, right, signal),
  );
  return <Difference shown={shown} />;
}

function DifferenceOfAverages({
  left,
  right,
}: {
  readonly left: Shown<FlameAnswer>;
  readonly right: Shown<FlameAnswer>;
}): ReactNode {
  const [one, other] = [left.value?.graph, right.value?.graph];
  const value = useMemo(
    () => (one === undefined || other === undefined ? undefined : diffOfGraphs(one, other)),
    [one, other],
  );
  return <Difference shown={{ ...both(left, right), value }} />;
}

function Difference({ shown }: { readonly shown: Shown<FlameDiffData> }): ReactNode {
  const { theme } = usePage();
  const [state, onState] = useFlameState();
  return (
    <Panel title="Difference: widths are both sides together, colours the change of share" busy={shown.loading}>
      <Outcome
        shown={shown}
        what="the difference"
        isEmpty={({ leftTotal, rightTotal }) => leftTotal + rightTotal === 0}
        empty={<p>No profiles of this kind on either side.</p>}
      >
        {(data) => <FlameGraph data={data} state={state} onState={onState} theme={theme} />}
      </Outcome>
    </Panel>
  );
}
