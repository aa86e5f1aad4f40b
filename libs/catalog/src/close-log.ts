import { KilnError, type LogId } from '@kiln/model';
import { BRIEFLY, persist, type Patience } from './attempts.ts';
import type { Catalog } from './catalog.ts';
import { readChain, type Chain } from './chain.ts';
import { commitManifest } from './commit-manifest.ts';
import { compareAndSet } from './compare-and-set.ts';
import type { Gap } from './gap.ts';
import { logTrim, registeredLog, withLog } from './log-trim.ts';

/** What is known of the end of a log that is being closed. */
export interface Closing {
  readonly log: LogId;
  readonly writer: string;
  /** Records beyond the last manifest that nobody can read any more: up to which offset, why, and around which append times. */
  readonly lost?: Omit<Gap, 'after'> | undefined;
}

/**
 * CLOSE of distributed.md §1.10, after the owners have cut what they hold: a final manifest, then `closed` in `log/trim`. Closing again changes
 * nothing.
 * @returns the offset at which the log is closed.
 * @throws KilnError `failed_precondition` when there is no such log (any more).
 */
export async function closeLog(catalog: Catalog, closing: Closing, patience: Patience = BRIEFLY): Promise<number> {
  const { log } = closing;
  let chain = await persist(catalog, patience, () => readChain(catalog, log));
  while (chain !== undefined && chain.tip?.final !== true) chain = await putFinal(catalog, chain, closing, patience);
  if (chain === undefined)
    throw new KilnError('failed_precondition', `there is no log ${log}: log/trim does not name it`);
  const end = chain.E;
  await compareAndSet(catalog, logTrim, patience, (current) => {
    const entry = current === undefined ? undefined : registeredLog(current, log);
    if (current === undefined || entry === undefined || entry.closed !== undefined) return undefined;
    return { ...current, logs: withLog(current.logs, { ...entry, closed: end }) };
  });
  return end;
}

/** An owner may still commit a cut first: then the caller tries after that one. */
async function putFinal(
  catalog: Catalog,
  chain: Chain,
  { lost, writer }: Closing,
  patience: Patience,
): Promise<Chain | undefined> {
  const missing = lost !== undefined && lost.upTo > chain.E;
  const { chain: now } = await commitManifest(
    catalog,
    chain,
    {
      end: missing ? lost.upTo : chain.E,
      aMax: Math.max(chain.tip?.aMax ?? 0, missing ? lost.toMs : 0),
      tenants: [],
      object: undefined,
      idsOff: 0,
      idsLen: 0,
      gaps: missing ? [{ ...lost, after: chain.E }] : [],
      final: true,
      writer,
    },
    patience,
  );
  return now;
}
