import { mapLimit } from '@kiln/async';
import { readIds, type Codecs, type KeptIds } from '@kiln/block';
import { readChain, readTrim, type Catalog, type Chain, type Manifest } from '@kiln/catalog';
import { KilnError, type LogId } from '@kiln/model';
import { IDS_KEPT_MS } from './ids.ts';

const PARALLEL = 8;

/** The ids that manifests kept, in log order; those with nothing younger than two hours before `appendMs` are passed over. */
export async function loadIds(
  catalog: Catalog,
  codecs: Codecs,
  manifests: readonly Manifest[],
  appendMs: number,
): Promise<KeptIds[]> {
  const wanted = manifests.filter(({ aMax, idsLen }) => idsLen > 0 && appendMs - aMax < IDS_KEPT_MS);
  return mapLimit(wanted, PARALLEL, async ({ object, idsOff, idsLen, end }) => {
    const bytes = object === undefined ? undefined : await catalog.objects.getRange(object, idsOff, idsLen);
    if (bytes === undefined) throw missing(object, end);
    return readIds(bytes, codecs);
  });
}

/** What a log starts with: the ids of its partition's closed logs that are still listed, and the append time they end at. */
export async function loadClosedIds(
  catalog: Catalog,
  codecs: Codecs,
  log: LogId,
  partition: number,
): Promise<{ kept: KeptIds[]; appendMs: number }> {
  const { logs } = await readTrim(catalog);
  const chains: Chain[] = [];
  for (const other of logs) {
    if (other.partition !== partition || other.log === log || other.closed === undefined) continue;
    const chain = await readChain(catalog, other.log);
    if (chain?.tip !== undefined) chains.push(chain);
  }
  chains.sort((a, b) => a.tip!.aMax - b.tip!.aMax);
  const appendMs = chains.at(-1)?.tip?.aMax ?? 0;
  const kept: KeptIds[] = [];
  for (const chain of chains) kept.push(...(await loadIds(catalog, codecs, chain.manifests, appendMs)));
  return { kept, appendMs };
}

/** An object that is gone is passed over only when a newer chain says that it is trimmed: the caller reads the chain again. */
function missing(object: string | undefined, end: number): KilnError {
  return new KilnError('not_found', `object ${object ?? '(none)'} with the ids up to offset ${end} is missing`);
}
