import type { ReactNode } from 'react';
import { compareKinds, kindTitle, titleAmong } from '../api/kinds.ts';

/** Chooses the kind of profiles; one that there is none of any more stays in the list and says so. */
export function KindMenu(props: {
  readonly kind: string;
  /** Undefined until they are known. */
  readonly kinds: readonly string[] | undefined;
  readonly onKind: (kind: string) => void;
}): ReactNode {
  const { kind, kinds, onKind } = props;
  const gone = kind !== '' && kinds !== undefined && !kinds.includes(kind);
  return (
    <select aria-label="Kind of profile" title={kind} value={kind} onChange={(event) => onKind(event.target.value)}>
      {kind === '' && <option value="">{kinds?.length === 0 ? 'No profiles' : 'Kind…'}</option>}
      {(gone || kinds === undefined) && kind !== '' && (
        <option value={kind}>
          {kindTitle(kind)}
          {gone ? ' – none here' : ''}
        </option>
      )}
      {kinds?.toSorted(compareKinds).map((id) => (
        <option key={id} value={id} title={id}>
          {titleAmong(id, kinds)}
        </option>
      ))}
    </select>
  );
}
