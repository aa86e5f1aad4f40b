import { BRIEFLY, type Patience } from './attempts.ts';
import type { Catalog } from './catalog.ts';
import { compareAndSet } from './compare-and-set.ts';
import { logTrim } from './log-trim.ts';

/**
 * Takes the gaps off `log/trim` that ended before a time of which nobody can ask any more, so that it does not grow with the years; one whose time is
 * not known stays. RETAIN does the same in the index of each tenant.
 * @param beforeMs now - the longest time for which any tenant may ask for what is appended - 1 h; -Infinity when there is no end to it.
 */
export async function forgetGaps(catalog: Catalog, beforeMs: number, patience: Patience = BRIEFLY): Promise<void> {
  await compareAndSet(catalog, logTrim, patience, (current) => {
    const gaps = current?.gaps.filter(({ toMs }) => toMs === 0 || toMs >= beforeMs);
    if (current === undefined || gaps?.length === current.gaps.length) return undefined;
    return { ...current, gaps: gaps! };
  });
}
