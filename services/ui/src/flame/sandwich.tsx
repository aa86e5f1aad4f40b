import { useMemo, type ReactNode } from 'react';
import { nameText } from '@kiln/model';
import { paletteOf, rowColours, type ColourMode, type Theme } from './colours.ts';
import { FlameCanvas } from './flame-canvas.tsx';
import { frameTree, type FrameTree } from './frame-tree.ts';
import type { FlameData, FlameState } from './props.ts';
import { matchesOf, toggledSearch, type Search } from './search.ts';
import { shareText, valueText, type Described } from './texts.ts';
import { sandwichTrees } from './views.ts';

/** Callers of a function above it, callees below; a click on another function looks at that one. */
export function Sandwich({
  tree,
  through,
  functionName,
  mode,
  theme,
  search,
  described,
  onState,
}: {
  readonly tree: FrameTree;
  /** Of the stacks alone that the function is in. */
  readonly through: FlameData | undefined;
  readonly functionName: string;
  readonly mode: ColourMode;
  readonly theme: Theme;
  readonly search: Search;
  readonly described: Described;
  readonly onState: (change: Partial<FlameState>) => void;
}): ReactNode {
  const levels = through?.levels;
  const view = useMemo(
    () => (through === undefined ? tree : frameTree(through)),
    // The object around them may be another for every rendering.
    [tree, levels],
  );
  const { callers, callees } = useMemo(() => sandwichTrees(view, functionName), [view, functionName]);
  const found = callees.total[0]!;
  if (found === 0)
    return (
      <p className="flame-empty">
        {nameText(functionName)} is in no stack of this graph: it may have been too small to be kept, or the selection
        has changed.
      </p>
    );
  /** All samples that the function is in, as far as they are known. */
  const total = through === undefined ? found : view.total[0]!;
  const lost = total - found;
  const part = (which: FrameTree, upwards: boolean): ReactNode => (
    <SandwichPart
      tree={which}
      upwards={upwards}
      mode={mode}
      theme={theme}
      search={search}
      described={{ ...described, focus: 0, upwards }}
      onState={onState}
    />
  );
  return (
    <div className="flame-sandwich">
      <h3>
        Callers <small>{describeSize(callers)}</small>
      </h3>
      {part(callers, true)}
      <h3>
        Callees{' '}
        <small>
          {describeSize(callees)} · {costText(callees, total, described)}
          {lost > 0 && <>; {shareText(lost, total)} of it lies in frames that were too small to be kept</>}
          {through === undefined && hasRest(tree) && <>, of the frames that the graph shows</>}
        </small>
      </h3>
      {part(callees, false)}
    </div>
  );
}

/** What a function takes in all and by itself; of a diff both before and now. @param total of all that is known of it. */
function costText({ self, sides }: FrameTree, total: number, { unit, whole }: Described): string {
  if (sides === undefined)
    return `${valueText(total, unit)} in all, ${shareText(total, whole)} of everything, itself ${valueText(self[0]!, unit)}`;
  const [values, shares, own] = [
    sides.map((side) => valueText(side.total[0]!, unit)),
    sides.map((side) => shareText(side.total[0]!, side.whole)),
    sides.map((side) => valueText(side.self[0]!, unit)),
  ].map((texts) => texts.join(' → '));
  return `${values} in all, ${shares} of everything, itself ${own}`;
}

/** Whether the server has left out frames and put `other` in their place. */
function hasRest({ names, name, length }: FrameTree): boolean {
  const other = names.indexOf('other');
  for (let row = 1; row < length; row++) if (name[row] === other) return true;
  return false;
}

function describeSize({ length }: FrameTree): string {
  return length === 1 ? 'none' : `${(length - 1).toLocaleString('en')} frames`;
}

function SandwichPart({
  tree,
  upwards,
  mode,
  theme,
  search,
  described,
  onState,
}: {
  readonly tree: FrameTree;
  readonly upwards: boolean;
  readonly mode: ColourMode;
  readonly theme: Theme;
  readonly search: Search;
  readonly described: Described;
  readonly onState: (change: Partial<FlameState>) => void;
}): ReactNode {
  const matches = useMemo(() => matchesOf(tree, search), [tree, search]);
  const scene = useMemo(
    () => ({ tree, colour: rowColours(tree, mode), palette: paletteOf(mode, theme), matches, focus: 0, upwards }),
    [tree, mode, theme, matches, upwards],
  );
  const look = (name: string): void => onState({ sandwich: name });
  return (
    <FlameCanvas
      scene={scene}
      described={described}
      label={`${upwards ? 'Callers' : 'Callees'} of ${nameText(tree.names[tree.name[0]!]!)}, ${tree.length.toLocaleString('en')} frames`}
      onFocus={(row) => {
        if (row > 0) look(tree.names[tree.name[row]!]!);
      }}
      onBack={() => onState({ sandwich: undefined })}
      onSandwich={look}
      onSearch={(name) => onState({ search: toggledSearch('', name) })}
    />
  );
}
