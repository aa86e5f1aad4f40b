import type { ReactNode } from 'react';
import { toggledSearch } from './search.ts';

/** The name of a function in a table: a click searches for it, and another ends that. */
export function FunctionName({
  name,
  search,
  onSearch,
}: {
  readonly name: string;
  readonly search: string;
  readonly onSearch: (search: string) => void;
}): ReactNode {
  return (
    <button type="button" className="flame-name" title={name} onClick={() => onSearch(toggledSearch(search, name))}>
      {name}
    </button>
  );
}
