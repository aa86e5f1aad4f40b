/** What the server says of profiles beside what they say themselves (contract/pyroscope.md §4.9). */
export interface Annotation {
  readonly key: string;
  readonly value: string;
}

/** What was done to profiles on their way in. Those of another mark are stored apart, as another dataset: that costs nothing where there is none. */
export interface Mark {
  /** Sampling left out their stacks and labels of samples; what is stored is their sum. */
  readonly isStripped: boolean;
  /** Of every point that they are in. */
  readonly annotations: readonly Annotation[];
}

/** Between the `__name__` of a dataset and its mark: no `__name__` holds it. */
export const MARK_SIGN = '\0';

const NO_MARK: Mark = { isStripped: false, annotations: [] };

/** The name under which profiles of that `__name__` and mark are stored: equal for equal marks. */
export function markedName(name: string, { isStripped, annotations }: Mark): string {
  if (!isStripped && annotations.length === 0) return name;
  const pairs = annotations.map(({ key, value }) => [key, value]);
  return `${name}${MARK_SIGN}${JSON.stringify([isStripped, pairs])}`;
}

/** The `__name__` of a stored name. */
export function plainName(stored: string): string {
  const at = stored.indexOf(MARK_SIGN);
  return at < 0 ? stored : stored.slice(0, at);
}

/** The mark of a stored name. @throws Error for one that `markedName` did not make. */
export function markOf(stored: string): Mark {
  const at = stored.indexOf(MARK_SIGN);
  if (at < 0) return NO_MARK;
  const [isStripped, pairs] = JSON.parse(stored.slice(at + 1)) as [boolean, [string, string][]];
  return { isStripped, annotations: pairs.map(([key, value]) => ({ key, value })) };
}
