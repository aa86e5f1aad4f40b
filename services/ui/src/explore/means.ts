/** What a mean over time is of, in Services and in timelines, as SelectSeries answers it. */
export const MEAN_OF_SERIES =
  'The mean over all profiles of a step: what one series has. A profile whose samples carry labels counts once for each set of them. What all series have together is in the flame graph.';

/** What the flame graph of means is of (docs/api.md, `aggregation`). */
export const SUM_OF_MEANS =
  'Of each series the mean over its profiles in the range, then the sum over all series. That is what was held at an instant if all of them were there for the whole range: of an instance that was replaced by another, both count in full.';
