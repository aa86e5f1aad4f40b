import { useEffect, useState, type ReactNode } from 'react';
import { FlameGraph } from '../flame/flame-graph.tsx';
import { FunctionTable } from '../flame/function-table.tsx';
import type { FlameData, FlameState, FunctionRow } from '../flame/props.ts';
import type { PageClock } from './clock.ts';

/** Nothing searched, nothing focused. */
export const plainFlame: FlameState = {
  search: '',
  focus: [],
  sandwich: undefined,
  inverted: false,
  colours: 'package',
};

interface Answer {
  readonly profileType: string;
  readonly unit: string;
  readonly total: number;
  readonly functionCount: number;
  readonly functions: readonly { name: string; flat: { value: number }; cum: { value: number } }[];
  readonly flamegraph: Pick<FlameData, 'names' | 'levels'>;
}

/** One profile by the `query` of the address. */
export function App({ clock: _clock }: { readonly clock: PageClock }): ReactNode {
  const [state, setState] = useState(plainFlame);
  const [answer, setAnswer] = useState<Answer | undefined>(undefined);
  const theme = location.search.includes('theme=dark') ? 'dark' : 'light';
  useEffect(() => {
    document.documentElement.style.colorScheme = theme;
    void fetch(`api/v1/flamegraph${location.search}`)
      .then((response) => response.json())
      .then((read: Answer) => setAnswer(read));
  }, [theme]);
  if (answer === undefined) return <main>…</main>;
  const { functions, functionCount, unit, total } = answer;
  const onState = (change: Partial<FlameState>): void => setState((old) => ({ ...old, ...change }));
  const rows: FunctionRow[] = functions.map(({ name, flat, cum }) => ({ name, flat: flat.value, cum: cum.value }));
  return (
    <main>
      <FlameGraph
        data={{ ...answer.flamegraph, unit, total, kind: answer.profileType }}
        state={state}
        onState={onState}
        theme={theme}
      />
      <FunctionTable rows={rows} count={functionCount} total={total} unit={unit} state={state} onState={onState} />
    </main>
  );
}
