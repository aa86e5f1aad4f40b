import { labelSetKey, type Label } from '@kiln/model';
import { refuseSeries, type QueryLimits } from './limits.ts';

/** A number per distinct list of labels; the order of labels counts. */
export class GroupTable {
  readonly lists: (readonly Label[])[] = [];
  readonly #numbers = new Map<string, number>();
  readonly #limits: QueryLimits;

  constructor(limits: QueryLimits) {
    this.#limits = limits;
  }

  number(labels: readonly Label[]): number {
    const key = labelSetKey(labels);
    const known = this.#numbers.get(key);
    if (known !== undefined) return known;
    const number = this.lists.push(labels) - 1;
    this.#numbers.set(key, number);
    const { maxResultSeries } = this.#limits;
    if (maxResultSeries !== undefined && this.lists.length > maxResultSeries) refuseSeries(maxResultSeries);
    return number;
  }
}
