import { useMemo, useState, type ReactNode } from 'react';
import { Choice } from './choice.tsx';
import { frameTree } from './frame-tree.ts';
import { functionChanges, type Cost, type FunctionChange } from './function-changes.ts';
import type { ChangeTableProps } from './props.ts';
import { parseSearch } from './search.ts';
import { changeText, shareText, valueText } from './texts.ts';
import { VirtualTable, type Column } from './virtual-table.tsx';
import './flame.css';

type Kind = 'all' | 'new' | 'gone' | 'changed';
type Key = 'name' | 'kind' | 'base' | 'now' | 'self' | 'total';

const size: Readonly<Record<Exclude<Key, 'name' | 'kind'>, (change: FunctionChange) => number>> = {
  base: ({ base }) => base.totalShare,
  now: ({ now }) => now.totalShare,
  self: ({ base, now }) => Math.abs(now.selfShare - base.selfShare),
  total: ({ base, now }) => Math.abs(now.totalShare - base.totalShare),
};

/** Functions of two profiles: which are new, gone or changed, and by how much of the whole. */
export function ChangeTable({ data, state, onState }: ChangeTableProps): ReactNode {
  const [kind, setKind] = useState<Kind>('all');
  const [sort, setSort] = useState<{ key: Key; down: boolean }>({ key: 'self', down: true });
  const changes = useMemo(
    () => functionChanges(frameTree(data)),
    // The object around them may be another for every rendering.
    [data.levels, data.names],
  );
  const shown = useMemo(() => {
    const search = parseSearch(state.search);
    return changes
      .filter((one) => (kind === 'all' || one.kind === kind) && (search.kind !== 'names' || search.matches(one.name)))
      .toSorted((a, b) => (sort.down ? -1 : 1) * compare(a, b, sort.key));
  }, [changes, kind, state.search, sort]);
  const countOf = (wanted: FunctionChange['kind']): string =>
    changes.filter((one) => one.kind === wanted).length.toLocaleString('en');
  const side = (cost: Cost): ReactNode => (
    <span className="flame-amount">
      <span>{valueText(cost.total, data.unit)}</span>
      <small>{shareText(cost.totalShare, 1)}</small>
    </span>
  );
  const columns: Column<FunctionChange, Key>[] = [
    {
      key: 'name',
      title: 'Function',
      cell: ({ name }) => (
        <button
          type="button"
          className="flame-name"
          title={name}
          onClick={() => onState({ search: state.search === name ? '' : name })}
        >
          {name}
        </button>
      ),
    },
    {
      key: 'kind',
      title: 'Change',
      width: 92,
      cell: (one) => <span className={`flame-kind flame-${one.kind}`}>{one.kind}</span>,
    },
    { key: 'base', title: 'Base total', isNumber: true, cell: ({ base }) => side(base) },
    { key: 'now', title: 'Now total', isNumber: true, cell: ({ now }) => side(now) },
    {
      key: 'self',
      title: 'Share of self',
      isNumber: true,
      width: 180,
      cell: ({ base, now }) => changeText(base.selfShare, now.selfShare),
    },
    {
      key: 'total',
      title: 'Share of total',
      isNumber: true,
      width: 180,
      cell: ({ base, now }) => changeText(base.totalShare, now.totalShare),
    },
  ];
  return (
    <section className="flame" aria-label="Changes by function">
      <div className="flame-tools">
        <Choice
          label="Which functions"
          value={kind}
          options={[
            ['all', `All ${changes.length.toLocaleString('en')}`],
            ['new', `New ${countOf('new')}`],
            ['gone', `Gone ${countOf('gone')}`],
            ['changed', `Changed ${countOf('changed')}`],
          ]}
          onChoose={setKind}
        />
      </div>
      <VirtualTable
        caption={`${shown.length.toLocaleString('en')} functions, of the nodes that the graph shows`}
        columns={columns}
        rows={shown}
        keyOf={({ name }) => name}
        isMarked={({ name }) => name === state.search}
        sort={sort}
        onSort={(key) => setSort({ key, down: sort.key === key ? !sort.down : key !== 'name' && key !== 'kind' })}
        empty={changes.length === 0 ? 'No function has a value on either side.' : 'No function is like that.'}
      />
    </section>
  );
}

function compare(a: FunctionChange, b: FunctionChange, key: Key): number {
  const byText = (x: string, y: string): number => (x < y ? -1 : x > y ? 1 : 0);
  if (key === 'name') return byText(a.name, b.name);
  if (key === 'kind') return byText(a.kind, b.kind) || byText(a.name, b.name);
  return size[key](a) - size[key](b) || -byText(a.name, b.name);
}
