import type { ReactNode } from 'react';
import { nameText } from '@kiln/model';
import { Choice } from './choice.tsx';
import { paletteOf, type ColourMode, type Theme } from './colours.ts';
import type { FrameTree } from './frame-tree.ts';
import { shortName } from './function-names.ts';
import type { FlameState } from './props.ts';
import type { Search } from './search.ts';
import { shareText, valueText, type Described } from './texts.ts';

/** Search, direction, colours, and what is focused. */
export function FlameTools({
  tree,
  focus,
  described,
  search,
  matched,
  state,
  onState,
  onWhole,
  mode,
  theme,
}: {
  readonly tree: FrameTree;
  readonly focus: number;
  readonly described: Described;
  readonly search: Search;
  /** Samples that a match is in; undefined when nothing is searched. */
  readonly matched: number | undefined;
  readonly state: FlameState;
  readonly onState: (change: Partial<FlameState>) => void;
  readonly onWhole: () => void;
  readonly mode: ColourMode;
  readonly theme: Theme;
}): ReactNode {
  const { sandwich } = state;
  const isSandwich = sandwich !== undefined;
  const focused = nameText(tree.names[tree.name[focus]!]!);
  return (
    <div className="flame-tools">
      <div className="flame-search">
        <input
          type="search"
          value={state.search}
          placeholder="Search: text or /regex/"
          aria-label="Search functions"
          aria-invalid={search.kind === 'invalid'}
          spellCheck={false}
          autoComplete="off"
          onChange={({ currentTarget }) => onState({ search: currentTarget.value })}
          onKeyDown={({ key, currentTarget }) => {
            if (key === 'Escape' && state.search === '') currentTarget.blur();
            else if (key === 'Escape') onState({ search: '' });
          }}
        />
        <output>
          {search.kind === 'invalid' ? (
            <span className="flame-fault">{search.message}</span>
          ) : matched === undefined || isSandwich ? (
            ''
          ) : (
            `${shareText(matched, tree.total[focus]!)} matched`
          )}
        </output>
      </div>
      {isSandwich ? (
        <p className="flame-where">
          <span title={nameText(sandwich)}>{shortName(nameText(sandwich))}</span>
          <button type="button" onClick={() => onState({ sandwich: undefined })}>
            Back to the graph
          </button>
        </p>
      ) : (
        <p className="flame-where">
          {focus > 0 ? (
            <>
              <span title={focused}>{shortName(focused)}</span>
              <b>
                {valueText(tree.total[focus]!, described.unit)} · {shareText(tree.total[focus]!, tree.total[0]!)}
              </b>
              <button type="button" onClick={onWhole}>
                Show all
              </button>
            </>
          ) : (
            <b>
              {tree.sides === undefined
                ? valueText(tree.total[0]!, described.unit)
                : tree.sides.map(({ total }) => valueText(total[0]!, described.unit)).join(' → ')}
            </b>
          )}
        </p>
      )}
      {!isSandwich && (
        <Choice
          label="Direction"
          value={state.inverted ? 'inverted' : 'down'}
          options={[
            ['down', 'Top down'],
            ['inverted', 'Inverted'],
          ]}
          onChoose={(value) => onState({ inverted: value === 'inverted', focus: [] })}
        />
      )}
      {tree.sides === undefined && (
        <Choice
          label="Colours"
          value={state.colours}
          options={[
            ['package', 'By package'],
            ['self', 'By self'],
          ]}
          onChoose={(colours) => onState({ colours })}
        />
      )}
      {mode !== 'package' && <Legend mode={mode} theme={theme} />}
    </div>
  );
}

/** What the ends of a scale of colours mean. */
function Legend({ mode, theme }: { readonly mode: 'self' | 'change'; readonly theme: Theme }): ReactNode {
  const [least, most] = mode === 'self' ? ['no self', 'most self'] : ['gone', 'new'];
  return (
    <span className="flame-legend">
      {least}
      <i style={{ background: `linear-gradient(to right, ${paletteOf(mode, theme).fills.join(', ')})` }} />
      {most}
    </span>
  );
}
