import { useMemo, useState, type ReactNode } from 'react';
import { nameText } from '@kiln/model';
import type { FunctionRow, FunctionTableProps } from './props.ts';
import { FunctionName } from './function-name.tsx';
import { isListed, isMarked } from './search.ts';
import { useSearch } from './use-search.ts';
import { shareText, valueText } from './texts.ts';
import { VirtualTable, type Column } from './virtual-table.tsx';
import './flame.css';

type Key = 'name' | 'flat' | 'cum';

/** Functions with their own and their total values: sorted by any column, filtered by the search, as many as there are. */
export function FunctionTable({ rows, count, total, unit, state, onState }: FunctionTableProps): ReactNode {
  const [sort, setSort] = useState<{ key: Key; down: boolean }>({ key: 'flat', down: true });
  const search = useSearch(state.search);
  const shown = useMemo(() => {
    const wanted = rows.filter(({ name }) => isListed(search, name));
    return wanted.toSorted((a, b) => (sort.down ? -1 : 1) * compare(a, b, sort.key));
  }, [rows, search, sort]);
  const columns: Column<FunctionRow, Key>[] = [
    {
      key: 'name',
      title: 'Function',
      cell: ({ name }) => (
        <>
          <FunctionName name={name} search={state.search} onSearch={(to) => onState({ search: to })} />
          <button
            type="button"
            className="flame-icon"
            aria-label={`Callers and callees of ${nameText(name)}`}
            title="Callers and callees"
            onClick={() => onState({ sandwich: name })}
          >
            ⇅
          </button>
        </>
      ),
    },
    {
      key: 'flat',
      title: 'Self',
      isNumber: true,
      cell: ({ flat, flatText }) => <Amount value={flat} text={flatText} total={total} unit={unit} />,
    },
    {
      key: 'cum',
      title: 'Total',
      isNumber: true,
      cell: ({ cum, cumText }) => <Amount value={cum} text={cumText} total={total} unit={unit} />,
    },
  ];
  return (
    <VirtualTable
      caption={
        shown.length < rows.length
          ? `${shown.length.toLocaleString('en')} of ${rows.length.toLocaleString('en')} functions match`
          : rows.length < count
            ? `The ${rows.length.toLocaleString('en')} largest of ${count.toLocaleString('en')} functions`
            : `${count.toLocaleString('en')} functions`
      }
      columns={columns}
      rows={shown}
      keyOf={({ name }) => name}
      isMarked={({ name }) => name === state.sandwich || isMarked(search, name)}
      sort={sort}
      onSort={(key) => setSort({ key, down: sort.key === key ? !sort.down : key !== 'name' })}
      empty={rows.length === 0 ? 'No function has a value.' : 'No function matches the search.'}
    />
  );
}

function compare(a: FunctionRow, b: FunctionRow, key: Key): number {
  const byName = a.name < b.name ? -1 : a.name > b.name ? 1 : 0;
  return key === 'name' ? byName : a[key] - b[key] || -byName;
}

/** A bar of a smaller share is a line that says nothing. */
const VISIBLE = 0.01;

/** A value, its share as a bar and in hundredths. */
function Amount({
  value,
  text,
  total,
  unit,
}: {
  readonly value: number;
  readonly text: string | undefined;
  readonly total: number;
  readonly unit: string;
}): ReactNode {
  const share = total === 0 ? 0 : Math.min(1, value / total);
  return (
    <span className="flame-amount">
      <span title={shareText(value, total)}>
        {share >= VISIBLE && <i style={{ width: `${share * 100}%` }} />}
        {text ?? valueText(value, unit)}
      </span>
      <small>{shareText(value, total)}</small>
    </span>
  );
}
