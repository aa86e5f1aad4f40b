import { LabelSetTable, type Label } from '@kiln/model';
import { atMost, refuseSeries, type QueryLimits } from './limits.ts';

/** The series of an answer: a number per distinct list of labels, whose order counts. Not for loops over rows: ask once per series. */
export class SeriesTable {
  readonly #lists = new LabelSetTable();
  readonly #maxSeries: number;

  constructor({ maxResultSeries }: QueryLimits) {
    this.#maxSeries = atMost(maxResultSeries);
  }

  /** By number. */
  get lists(): readonly (readonly Label[])[] {
    return this.#lists.sets;
  }

  /** @throws KilnError `resource_exhausted` when there are more than the limit. */
  number(labels: readonly Label[]): number {
    const number = this.#lists.number(labels);
    if (number >= this.#maxSeries) refuseSeries(this.#maxSeries);
    return number;
  }
}
