import { useMemo, useState, type ReactNode } from 'react';
import { amountText } from '@kiln/model';
import { usePage } from '../app/page.ts';
import { FunctionName } from '../flame/function-name.tsx';
import { isListed, isMarked } from '../flame/search.ts';
import { useSearch } from '../flame/use-search.ts';
import { VirtualTable, type Column } from '../flame/virtual-table.tsx';
import { useFlameState } from '../explore/use-flame-state.ts';
import { changesOf, type Change, type FunctionsOfSide } from './changes.ts';

type Key = 'name' | 'left' | 'right' | 'change';
type Kind = Change['kind'] | 'all';

const KINDS: readonly (readonly [Kind, string])[] = [
  ['all', 'All'],
  ['new', 'New'],
  ['removed', 'Removed'],
  ['changed', 'Changed'],
];

const keys: Readonly<Record<Exclude<Key, 'name'>, (change: Change) => number>> = {
  left: ({ leftShare }) => leftShare,
  right: ({ rightShare }) => rightShare,
  change: ({ leftShare, rightShare }) => rightShare - leftShare,
};

/** The functions of both sides and how their shares changed: new ones, removed ones, changed ones. */
export function ChangesTable(props: {
  readonly left: FunctionsOfSide;
  readonly right: FunctionsOfSide;
  readonly unit: string;
}): ReactNode {
  const { left, right, unit } = props;
  const { theme } = usePage();
  const [of, setOf] = useState<'flat' | 'cum'>('flat');
  const [kind, setKind] = useState<Kind>('all');
  const [sort, setSort] = useState<{ key: Key; down: boolean }>();
  const [state, onState] = useFlameState();
  const changes = useMemo(() => changesOf(left, right, of), [left, right, of]);
  const search = useSearch(state.search);
  const rows = useMemo(() => {
    const wanted = changes.filter(
      (change) => (kind === 'all' || change.kind === kind) && isListed(search, change.name),
    );
    return sort === undefined ? wanted : wanted.toSorted((a, b) => (sort.down ? -1 : 1) * compare(a, b, sort.key));
  }, [changes, kind, sort, search]);
  const counts = useMemo(() => countKinds(changes), [changes]);
  const columns: Column<Change, Key>[] = [
    {
      key: 'name',
      title: 'Function',
      cell: ({ name }) => <FunctionName name={name} search={state.search} onSearch={(to) => onState({ search: to })} />,
    },
    { key: 'left', title: 'Left', isNumber: true, cell: (row) => share(row.leftShare, row.left, unit) },
    { key: 'right', title: 'Right', isNumber: true, cell: (row) => share(row.rightShare, row.right, unit) },
    { key: 'change', title: 'Change', isNumber: true, cell: changeCell },
  ];
  return (
    <div className="flame changes" data-theme={theme}>
      <div className="row changes-tools">
        <fieldset className="flame-choice">
          <legend className="visually-hidden">Which functions</legend>
          {KINDS.map(([one, text]) => (
            <button key={one} type="button" aria-pressed={one === kind} onClick={() => setKind(one)}>
              {text} {counts[one].toLocaleString('en')}
            </button>
          ))}
        </fieldset>
        <fieldset className="flame-choice">
          <legend className="visually-hidden">Which value</legend>
          {(['flat', 'cum'] as const).map((one) => (
            <button key={one} type="button" aria-pressed={one === of} onClick={() => setOf(one)}>
              {one === 'flat' ? 'Self' : 'Total'}
            </button>
          ))}
        </fieldset>
      </div>
      <VirtualTable
        caption={`${rows.length.toLocaleString('en')} functions, shares of each side`}
        columns={columns}
        rows={rows}
        keyOf={({ name }) => name}
        isMarked={({ name }) => isMarked(search, name)}
        sort={sort ?? { key: 'change', down: true }}
        onSort={(key) => setSort({ key, down: sort?.key === key ? !sort.down : key !== 'name' })}
        empty="No function is like that."
      />
    </div>
  );
}

function compare(a: Change, b: Change, key: Key): number {
  const byName = a.name < b.name ? -1 : 1;
  return key === 'name' ? byName : keys[key](a) - keys[key](b) || -byName;
}

function countKinds(changes: readonly Change[]): Readonly<Record<Kind, number>> {
  const counts = { all: changes.length, new: 0, removed: 0, changed: 0, same: 0 };
  for (const { kind } of changes) counts[kind]++;
  return counts;
}

function share(part: number, value: number, unit: string): ReactNode {
  return <span title={amountText(value, unit)}>{value === 0 ? '–' : `${(part * 100).toFixed(2)} %`}</span>;
}

/** The change in hundredths of all, with its sign; told by words where there is nothing to compare with. */
function changeCell({ leftShare, rightShare, kind }: Change): ReactNode {
  const points = (rightShare - leftShare) * 100;
  const text = `${points > 0 ? '+' : points < 0 ? '−' : '±'}${Math.abs(points).toFixed(2)}`;
  const word = kind === 'new' || kind === 'removed' ? kind : '';
  return (
    <span className={points > 0 ? 'more' : points < 0 ? 'less' : undefined}>
      {word !== '' && <em>{word} </em>}
      {text}
    </span>
  );
}
