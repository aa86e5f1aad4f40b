import type { ReactNode } from 'react';
import { aggregationOf } from '../api/kinds.ts';
import { usePage } from '../app/page.ts';
import { SUM_OF_MEANS } from './means.ts';
import type { Address } from '../app/address.ts';

/** Chooses between the sum of all profiles and what is held at an instant; says which one it is unasked. */
export function AggregationMenu({ kind }: { readonly kind: string }): ReactNode {
  const { address, go } = usePage();
  const usual = aggregationOf(kind);
  const value = address.aggregation === '' ? usual : address.aggregation;
  const choose = (next: string): void => go({ aggregation: next === usual ? '' : (next as Address['aggregation']) });
  return (
    <select
      aria-label="Aggregation"
      title={`Sum: of all profiles in the range. Average: ${SUM_OF_MEANS}`}
      value={value}
      onChange={(event) => choose(event.target.value)}
    >
      <option value="sum">Sum</option>
      <option value="average">Average</option>
    </select>
  );
}
