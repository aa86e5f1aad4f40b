import type { ReactNode } from 'react';
import { askFlame, type FlameAnswer, type Selection } from '../api/calls.ts';
import { kindTitle } from '../api/kinds.ts';
import type { Address } from '../app/address.ts';
import { Outcome, Panel } from '../app/panel.tsx';
import { usePage } from '../app/page.ts';
import type { Theme } from '../app/theme.ts';
import { useAnswer } from '../app/use-answer.ts';
import { collapsedText } from '../flame/collapsed.ts';
import { FlameGraph } from '../flame/flame-graph.tsx';
import { FunctionTable } from '../flame/function-table.tsx';
import type { FlameGraphProps, FlameState } from '../flame/props.ts';
import { flameSvg } from '../flame/svg.ts';
import { Downloads, type OwnFile } from './downloads.tsx';
import { SUM_OF_MEANS } from './means.ts';
import { useFlameState } from './use-flame-state.ts';

/** Rows of the table: what comes after them is too small to be looked for. */
const FUNCTIONS = 5000;

/** Where in the code: the flame graph and the table of functions, of one answer. */
export function FlamePanel({ selection }: { readonly selection: Selection }): ReactNode {
  const { address, go, theme } = usePage();
  const { aggregation } = address;
  const shown = useAnswer(JSON.stringify(['flame', selection, aggregation]), (client, signal) =>
    askFlame(client, selection, { aggregation, functions: FUNCTIONS }, signal),
  );
  const { value } = shown;
  return (
    <Panel
      className="flame-panel"
      title={value === undefined || value.graph.total === 0 ? 'Flame graph' : <>Flame graph of {amountOf(value)}</>}
      busy={shown.loading}
      actions={
        <>
          <select
            aria-label="Shown"
            value={address.panes}
            onChange={(event) => go({ panes: event.target.value as Address['panes'] })}
          >
            <option value="both">Graph and table</option>
            <option value="graph">Graph</option>
            <option value="table">Table</option>
          </select>
          <Downloads selection={selection} own={value === undefined ? [] : ownFiles(value, address.flame, theme)} />
        </>
      }
    >
      <Outcome
        shown={shown}
        what="the flame graph"
        isEmpty={({ graph }) => graph.total === 0}
        empty={<p>No profiles of this kind match the selector in this range.</p>}
      >
        {(answer) => <Panes answer={answer} selection={selection} panes={address.panes} />}
      </Outcome>
    </Panel>
  );
}

/** Of how much a graph is, and what that means where it is no sum of profiles. */
export function amountOf({ text, aggregation }: FlameAnswer): ReactNode {
  if (aggregation === 'sum') return text;
  return (
    <span className="explained" title={SUM_OF_MEANS}>
      {text} on average, all series added up
    </span>
  );
}

/** What the page makes itself of the graph that it shows. */
function ownFiles({ graph, text }: FlameAnswer, state: FlameState, theme: Theme): OwnFile[] {
  return [
    {
      text: 'Collapsed stacks (.txt)',
      extension: 'collapsed.txt',
      type: 'text/plain',
      content: () => collapsedText(graph),
    },
    {
      text: 'Picture (.svg)',
      extension: 'svg',
      type: 'image/svg+xml',
      content: () => flameSvg(graph, state, `${kindTitle(graph.kind ?? '')}, ${text}`, theme),
    },
  ];
}

/** The graph and the table, one of them or both beside each other. */
export function Panes(props: {
  readonly answer: FlameAnswer;
  readonly selection: Selection;
  readonly panes: Address['panes'];
}): ReactNode {
  const { answer, selection, panes } = props;
  const { theme } = usePage();
  const [state, onState] = useFlameState();
  const through = useThrough(selection, answer.aggregation, state.sandwich);
  const { graph, rows, functionCount, total, unit } = answer;
  return (
    <div className={`panes ${panes}`}>
      {panes !== 'table' && <FlameGraph data={graph} through={through} state={state} onState={onState} theme={theme} />}
      {panes !== 'graph' && (
        <FunctionTable rows={rows} count={functionCount} total={total} unit={unit} state={state} onState={onState} />
      )}
    </div>
  );
}

/** The stacks that the function of the sandwich is in, with as many nodes for them as the whole graph has for all. */
function useThrough(
  selection: Selection,
  aggregation: FlameAnswer['aggregation'],
  functionName: string | undefined,
): FlameGraphProps['through'] {
  // Of functions without a name the server cannot be asked; the graph itself has them.
  const key = (functionName ?? '') === '' ? undefined : JSON.stringify([selection, aggregation, functionName]);
  const { value } = useAnswer(key, async (client, signal) => {
    const ask = { aggregation, functions: 1, through: functionName ?? '' };
    const answer = await askFlame(client, selection, ask, signal);
    return answer.ok ? { ...answer, value: { functionName: ask.through, data: answer.value.graph } } : answer;
  });
  return value;
}
