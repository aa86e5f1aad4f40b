import type { LogId } from '@kiln/model';
import type { CatalogReader } from './catalog.ts';
import { manifestPrefix } from './keys.ts';
import { decodeManifest, type Manifest } from './manifest.ts';

/** The manifests of a log, each read by itself. */
export interface ManifestsFound {
  /** Those that can be read, oldest first; they need not follow each other. */
  readonly manifests: readonly Manifest[];
  /** What was thrown by each of the others. */
  readonly faults: readonly unknown[];
}

/**
 * Where the newest manifest of a log ends that a list shows, -1 without one: one object read, not the chain.
 * @throws CorruptDataError when that manifest is damaged.
 */
export async function newestEnd(catalog: CatalogReader, log: LogId): Promise<number> {
  const prefix = manifestPrefix(log);
  let newest: string | undefined;
  for (let startAfter = prefix; ; startAfter = newest!) {
    const keys = await catalog.objects.list(prefix, { startAfter });
    if (keys.length === 0) break;
    newest = keys.at(-1);
  }
  const stored = newest === undefined ? undefined : await catalog.objects.get(newest);
  if (stored === undefined) return -1;
  return decodeManifest(catalog, log, Number(newest!.slice(prefix.length)), stored.bytes).end;
}

/**
 * Every manifest of a log that is there, for people who look at a log whose chain cannot be read: nothing may be answered from them, and where the log
 * is committed to is not known.
 */
export async function readManifests(catalog: CatalogReader, log: LogId): Promise<ManifestsFound> {
  const manifests: Manifest[] = [];
  const faults: unknown[] = [];
  const prefix = manifestPrefix(log);
  for (let startAfter = prefix; ;) {
    const keys = await catalog.objects.list(prefix, { startAfter });
    if (keys.length === 0) return { manifests, faults };
    startAfter = keys.at(-1)!;
    for (const key of keys) {
      try {
        const stored = await catalog.objects.get(key);
        // Trimmed between the list and now.
        if (stored === undefined) continue;
        manifests.push(decodeManifest(catalog, log, Number(key.slice(prefix.length)), stored.bytes));
      } catch (error) {
        faults.push(error);
      }
    }
  }
}
