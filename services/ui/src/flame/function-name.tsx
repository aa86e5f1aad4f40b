import type { ReactNode } from 'react';
import { nameText } from '@kiln/model';
import { headAndTail } from './function-names.ts';
import { toggledSearch } from './search.ts';

/**
 * The name of a function in a table: a click searches for it, and another ends that. Where there is no room for all of it, the beginning goes
 * first, because many functions share theirs.
 */
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
  const [head, tail] = headAndTail(text);
  return (
    <button
      type="button"
      className={name === '' ? 'flame-name flame-nameless' : 'flame-name'}
      title={text}
      aria-label={text}
      onClick={() => onSearch(toggledSearch(search, name))}
    >
      {head !== '' && (
        <span className="flame-name-head">
          <bdi dir="ltr">{head}</bdi>
        </span>
      )}
      <span className="flame-name-tail">{tail}</span>
    </button>
  );
}
