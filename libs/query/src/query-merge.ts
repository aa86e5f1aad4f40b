import type { DatasetTables } from '@kiln/block';
import { AnalyzeMerge } from './analyze.ts';
import type { QueryMerge } from './answer.ts';
import { HeatmapMerge } from './heatmap.ts';
import type { QueryLimits } from './limits.ts';
import { checkQuery, type Query } from './query.ts';
import type { RunStats } from './run-stats.ts';
import { finishQuery, mergePartials, runQuery } from './run.ts';
import { SelectSeriesMerge } from './select-series.ts';
import { StacktracesMerge } from './stacktraces.ts';

/**
 * An empty partial to add to.
 * @param stats is added to.
 * @throws KilnError `invalid_argument` for a query that is none. What is added throws as in `runQuery`.
 */
export function newQueryMerge(query: Query, limits: QueryLimits = {}, stats?: RunStats): QueryMerge {
  checkQuery(query);
  if (query.kind === 'stacktraces') return new StacktracesMerge(query, limits, stats);
  if (query.kind === 'selectSeries') return new SelectSeriesMerge(query, limits);
  if (query.kind === 'heatmap') return new HeatmapMerge(query, limits);
  if (query.kind === 'analyze') return new AnalyzeMerge(query, limits);
  return new FoldedPartials(query, limits, stats);
}

/** Partials that wait for a merge; more of them are memory, fewer are work. */
const FOLD = 16;

/** For queries whose partials are small: a partial of each source, merged a few at a time. */
class FoldedPartials implements QueryMerge {
  readonly #query: Query;
  readonly #limits: QueryLimits;
  readonly #stats: RunStats | undefined;
  #partials: Uint8Array[] = [];

  constructor(query: Query, limits: QueryLimits, stats: RunStats | undefined) {
    this.#query = query;
    this.#limits = limits;
    this.#stats = stats;
  }

  addDatasets(datasets: Iterable<DatasetTables>): void {
    this.addPartial(runQuery(this.#query, datasets, this.#limits, this.#stats));
  }

  addPartial(partial: Uint8Array): void {
    if (partial.length === 0) return;
    this.#partials.push(partial);
    if (this.#partials.length >= FOLD) this.#partials = [this.toPartial()];
  }

  toPartial(): Uint8Array {
    return mergePartials(this.#query, this.#partials, this.#limits);
  }

  finish(query: Query): unknown {
    return finishQuery(query, this.toPartial());
  }
}
