import type { ReactNode } from 'react';
import { nameText } from '@kiln/model';
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
  const text = nameText(name);
  return (
    <button
      type="button"
      className={name === '' ? 'flame-name flame-nameless' : 'flame-name'}
      title={text}
      onClick={() => onSearch(toggledSearch(search, name))}
    >
      {text}
    </button>
  );
}
