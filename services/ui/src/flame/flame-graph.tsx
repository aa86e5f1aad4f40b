import { useMemo, useRef, type KeyboardEvent, type ReactNode } from 'react';
import { paletteOf, rowColours } from './colours.ts';
import { FlameCanvas } from './flame-canvas.tsx';
import { FlameTools } from './flame-tools.tsx';
import { frameTree, pathOf, rowOf, type FrameTree } from './frame-tree.ts';
import type { FlameGraphProps } from './props.ts';
import { Sandwich } from './sandwich.tsx';
import { matchedTotal, matchesOf, toggledSearch } from './search.ts';
import { useSearch } from './use-search.ts';
import type { Described } from './texts.ts';
import { invertedTree } from './views.ts';
import './flame.css';

/**
 * A flame graph with its tools: search, direction, colours, what is focused. Shows a function's callers and callees instead while `state.sandwich` names
 * one. Numbers that contradict each other are said, not drawn.
 */
export function FlameGraph(props: FlameGraphProps): ReactNode {
  const { data, theme } = props;
  const read = useMemo(() => {
    try {
      return { tree: frameTree(data) };
    } catch (error) {
      return { message: error instanceof Error ? error.message : String(error) };
    }
    // The object around them may be another for every rendering.
  }, [data.levels, data.names]);
  return (
    <section className="flame" data-theme={theme} aria-label="Flame graph">
      {'tree' in read ? <Shown {...props} tree={read.tree} /> : <p role="alert">{read.message}</p>}
    </section>
  );
}

function Shown({
  tree,
  data,
  through,
  state,
  onState,
  theme,
}: FlameGraphProps & { readonly tree: FrameTree }): ReactNode {
  const root = useRef<HTMLDivElement>(null);
  /** What was focused before, newest last: where Escape leads. */
  const before = useRef<(readonly string[])[]>([]);
  const turned = useMemo(() => (state.inverted ? invertedTree(tree, []) : undefined), [tree, state.inverted]);
  // A closer look shows what was too small from afar.
  const closer = useMemo(
    () => (turned?.isCut === true && state.focus.length > 0 ? invertedTree(tree, state.focus) : turned),
    [tree, turned, state.focus],
  );
  const shown = closer?.tree ?? tree;
  const search = useSearch(state.search);
  const matches = useMemo(() => matchesOf(shown, search), [shown, search]);
  const focus = rowOf(shown, state.focus);
  const mode = tree.sides === undefined ? state.colours : 'change';
  const scene = useMemo(
    () => ({
      tree: shown,
      colour: rowColours(shown, mode),
      palette: paletteOf(mode, theme),
      matches,
      focus,
      upwards: false,
    }),
    [shown, mode, theme, matches, focus],
  );
  const described: Described = {
    unit: data.unit,
    kind: data.kind,
    whole: 'leftTotal' in data ? tree.total[0]! : data.total,
    focus,
    upwards: state.inverted,
  };
  const matched = useMemo(
    () => (matches === undefined ? undefined : matchedTotal(shown, matches, focus)),
    [shown, matches, focus],
  );
  const goTo = (path: readonly string[]): void => {
    before.current.push(state.focus);
    onState({ focus: path });
  };
  const goBack = (): void => {
    const last = before.current.pop();
    if (last !== undefined || state.focus.length > 0) onState({ focus: last ?? [] });
    else if (state.search !== '') onState({ search: '' });
  };
  const onKeyDown = (event: KeyboardEvent): void => {
    if (event.key !== '/' || event.target instanceof HTMLInputElement) return;
    root.current?.querySelector<HTMLInputElement>('input[type=search]')?.focus();
    event.preventDefault();
  };
  return (
    <div ref={root} onKeyDown={onKeyDown}>
      <FlameTools
        tree={shown}
        focus={focus}
        described={described}
        search={search}
        matched={matched}
        state={state}
        onState={onState}
        onWhole={() => goTo([])}
        mode={mode}
        theme={theme}
      />
      {tree.total[0] === 0 ? (
        <p className="flame-empty">Nothing was sampled here: no profile of this kind, selector and time has a value.</p>
      ) : state.sandwich !== undefined ? (
        <Sandwich
          key={state.sandwich}
          tree={tree}
          through={through?.functionName === state.sandwich ? through.data : undefined}
          functionName={state.sandwich}
          mode={mode}
          theme={theme}
          search={search}
          described={described}
          onState={onState}
        />
      ) : (
        <FlameCanvas
          key={state.inverted ? 'inverted' : 'down'}
          scene={scene}
          described={described}
          label={`Flame graph of ${shown.length.toLocaleString('en')} frames`}
          onFocus={(row) => goTo(pathOf(shown, row))}
          onBack={goBack}
          onSandwich={(name) => onState({ sandwich: name })}
          onSearch={(name) => onState({ search: toggledSearch('', name) })}
        />
      )}
    </div>
  );
}
