import { parseLogId, type LogId } from '@kiln/model';
import { BRIEFLY, persist, type Patience } from './attempts.ts';
import type { Catalog } from './catalog.ts';
import { BEHIND, logPrefix, logsPrefix, quarantinedOffset } from './keys.ts';
import { readTrim, registeredLog, type LogTrim } from './log-trim.ts';
import { keysBelow } from './trim-log.ts';

/**
 * Deletes what is left of logs that `log/trim` no longer names: TRIM takes a closed log off it first and deletes then, and may die in between. Also
 * quarantined records, of any log, that T has passed and whose gap is forgotten. The logs are listed before `log/trim` is read, and each is registered
 * before it has an object: one that is listed and not named has left, and its name never comes back.
 * @returns how many objects were deleted.
 */
export async function sweepLogs(catalog: Catalog, patience: Patience = BRIEFLY): Promise<number> {
  const listed = await persist(catalog, patience, () => listLogs(catalog));
  const trim = await persist(catalog, patience, () => readTrim(catalog));
  if (trim.rev === 0) return 0; // lost, not empty: whatever it named is still needed
  let deleted = 0;
  for (const log of listed) {
    const isGone = registeredLog(trim, log) === undefined;
    for await (const key of keysBelow(catalog, logPrefix(log, isGone ? '' : 'q/'), patience)) {
      const offset = quarantinedOffset(log, key);
      if (offset === undefined ? !isGone : isKept(trim, log, offset)) continue;
      await persist(catalog, patience, () => catalog.objects.delete(key));
      deleted++;
    }
  }
  return deleted;
}

/** Whether a quarantined record still has its gap, in a manifest above T or in `log/trim`. */
function isKept(trim: LogTrim, log: LogId, offset: number): boolean {
  if (offset > (registeredLog(trim, log)?.T ?? Infinity)) return true;
  return trim.gaps.some((gap) => gap.log === log && gap.after < offset && offset <= gap.upTo);
}

/** The logs that have objects, registered or not. */
async function listLogs(catalog: Catalog): Promise<LogId[]> {
  const logs: LogId[] = [];
  for (let startAfter = logsPrefix; ;) {
    const [key] = await catalog.objects.list(logsPrefix, { startAfter, limit: 1 });
    if (key === undefined) return logs;
    const [name, ...below] = key.slice(logsPrefix.length).split('/');
    const log = below.length === 0 ? undefined : idOf(name!);
    if (log !== undefined) logs.push(log);
    startAfter = below.length === 0 ? key : logsPrefix + name + BEHIND;
  }
}

function idOf(name: string): LogId | undefined {
  try {
    return parseLogId(name);
  } catch {
    return undefined; // not Kiln's
  }
}
