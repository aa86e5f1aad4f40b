import { KilnError, type LogId } from '@kiln/model';
import { BRIEFLY, persist, type Patience } from './attempts.ts';
import type { Catalog, CatalogReader } from './catalog.ts';
import { compareAndSet } from './compare-and-set.ts';
import { logsPrefix, tenantsPrefix, trimKey } from './keys.ts';
import { logTrim, registeredLog, withLog, type LogTrim } from './log-trim.ts';

/**
 * REGISTER of distributed.md §1.10: the log enters `log/trim`, before the first record is acknowledged on it. Registering again changes nothing.
 * @param end the last offset of the log, -1 when it is empty. A register that exists and does not name a log with records has let it go: its rows
 * are in blocks, and following it anew would count them twice. So it would be where the register is lost.
 * @throws KilnError `failed_precondition` when the partition has another open log, or when this one was closed; `data_loss` when the register is lost.
 */
export async function registerLog(
  catalog: Catalog,
  { log, partition, end = -1 }: { readonly log: LogId; readonly partition: number; readonly end?: number },
  patience: Patience = BRIEFLY,
): Promise<LogTrim> {
  // Before the register is read: whoever has an object was in it before.
  const stored = await persist(catalog, patience, () => anyStored(catalog));
  const trim = await compareAndSet(catalog, logTrim, patience, (current) => {
    const { logs, gaps } = current ?? { logs: [], gaps: [] };
    const mine = current === undefined ? undefined : registeredLog(current, log);
    if (mine !== undefined) {
      refuseOther(log, partition, mine.partition, mine.closed);
      return undefined;
    }
    const open = logs.find((other) => other.partition === partition && other.closed === undefined);
    if (open !== undefined) {
      throw new KilnError(
        'failed_precondition',
        `partition ${partition} already has the open log ${open.log}, so log ${log} may not be opened beside it: start with the log directory ` +
          `that holds ${open.log}, or, when that is lost or was replaced, run: kiln log close ${open.log}`,
      );
    }
    if (current === undefined && end >= 0) {
      throw new KilnError(
        'data_loss',
        `log ${log} of partition ${partition} holds records up to offset ${end}, but object ${trimKey}, which names it since before its first record, is ` +
          `missing: the objects are not those of this log, or were lost; put both back from one backup, or begin anew with an empty data directory`,
      );
    }
    if (current === undefined && stored !== undefined) throw lostRegister(stored);
    if (end >= 0) {
      throw new KilnError(
        'failed_precondition',
        `log ${log} of partition ${partition} holds records up to offset ${end}, but log/trim does not name it: if the objects are those of another ` +
          `directory, or of a backup that is older than the log, put both back from one backup; else it was closed, and what it held is in blocks ` +
          `already: move its directory away, and Kiln begins a new log`,
      );
    }
    return { logs: withLog(logs, { log, partition, seq: 0, T: -1 }), gaps };
  });
  return trim!;
}

/** A key that is written after the register, if there is any. */
export async function anyStored({ objects }: CatalogReader): Promise<string | undefined> {
  for (const prefix of [logsPrefix, tenantsPrefix]) {
    const found = (await objects.list(prefix, { limit: 2 })).find((key) => key !== trimKey);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** What is said of a register that is not there although what came after it is: one made anew would let go of every log that it does not name. */
export function lostRegister(stored: string): KilnError {
  return new KilnError(
    'data_loss',
    `object ${trimKey} is missing, but ${stored}, which was written after it, exists: somebody removed it by hand, or the store lost it; put log and ` +
      `objects back from one backup, or begin anew with an empty data directory`,
  );
}

function refuseOther(log: LogId, partition: number, registered: number, closed: number | undefined): void {
  if (registered !== partition) {
    throw new KilnError(
      'failed_precondition',
      `log ${log} is registered for partition ${registered}, not for ${partition}`,
    );
  }
  if (closed !== undefined) {
    throw new KilnError(
      'failed_precondition',
      `log ${log} of partition ${partition} was closed at offset ${closed} and takes no more records: start with an empty log directory, ` +
        `which begins a new log`,
    );
  }
}
