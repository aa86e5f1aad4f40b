import { useEffect, useState, type ReactNode } from 'react';
import { ChangeTable } from '../flame/change-table.tsx';
import { collapsedText } from '../flame/collapsed.ts';
import { FlameGraph } from '../flame/flame-graph.tsx';
import { FunctionTable } from '../flame/function-table.tsx';
import type { FlameData, FlameDiffData, FlameState, FunctionRow } from '../flame/props.ts';
import { flameSvg } from '../flame/svg.ts';
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

/** One profile by the `query` of the address, or two by `leftQuery` and `rightQuery`. */
export function App({ clock: _clock }: { readonly clock: PageClock }): ReactNode {
  return location.search.includes('leftQuery') ? <Two /> : <One />;
}

interface DiffAnswer {
  readonly flamebearer: { readonly names: readonly string[]; readonly levels: readonly (readonly number[])[] };
  readonly metadata: { readonly units: string };
  readonly leftTicks: number;
  readonly rightTicks: number;
}

function Two(): ReactNode {
  const [state, setState] = useState(plainFlame);
  const [answer, setAnswer] = useState<DiffAnswer | undefined>(undefined);
  const theme = location.search.includes('theme=dark') ? 'dark' : 'light';
  useEffect(() => {
    document.documentElement.style.colorScheme = theme;
    void fetch(`pyroscope/render-diff${location.search}`)
      .then((response) => response.json())
      .then((read: DiffAnswer) => setAnswer(read));
  }, [theme]);
  if (answer === undefined) return <main>…</main>;
  const onState = (change: Partial<FlameState>): void => setState((old) => ({ ...old, ...change }));
  const data: FlameDiffData = {
    ...answer.flamebearer,
    leftTotal: answer.leftTicks,
    rightTotal: answer.rightTicks,
    unit: 'nanoseconds',
  };
  return (
    <main>
      <FlameGraph data={data} state={state} onState={onState} theme={theme} />
      <ChangeTable data={data} state={state} onState={onState} />
    </main>
  );
}

function One(): ReactNode {
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
  const data: FlameData = { ...answer.flamegraph, unit, total, kind: answer.profileType };
  const save = (name: string, type: string, text: string): void => {
    const link = document.createElement('a');
    link.href = URL.createObjectURL(new Blob([text], { type }));
    link.download = name;
    link.click();
    URL.revokeObjectURL(link.href);
  };
  return (
    <main>
      <button type="button" onClick={() => save('flame.txt', 'text/plain', collapsedText(data))}>
        Collapsed
      </button>
      <button
        type="button"
        onClick={() => save('flame.svg', 'image/svg+xml', flameSvg(data, state, answer.profileType, theme))}
      >
        SVG
      </button>
      <FlameGraph data={data} state={state} onState={onState} theme={theme} />
      <FunctionTable rows={rows} count={functionCount} total={total} unit={unit} state={state} onState={onState} />
    </main>
  );
}
