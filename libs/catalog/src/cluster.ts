import { KilnError } from '@kiln/model';
import { BRIEFLY, persist, type Patience } from './attempts.ts';
import { randomHex, type Catalog, type CatalogReader } from './catalog.ts';
import { decodeJsonObject, encodeJsonObject } from './json-object.ts';
import { clusterKey, trimKey } from './keys.ts';

/** The content of `cluster`, written once. */
export interface Cluster {
  /** 32 lower-case hex digits, random. */
  readonly id: string;
  /** P: how many partitions the stream of writes has. Fixed when the cluster is made. */
  readonly partitions: number;
  /** The version of the object layout as a whole. */
  readonly layout: number;
}

const VERSION = 1;
const LAYOUT = 1;

/**
 * Makes the cluster's mark, or reads the one that is there and checks that this process belongs to it.
 * @param expect.id the id that this process knows from elsewhere (its log), when it does.
 * @throws KilnError `failed_precondition` for another id, another P or a newer layout, `data_loss` when the mark is lost.
 */
export async function openCluster(
  catalog: Catalog,
  expect: { readonly partitions: number; readonly id?: string | undefined },
  patience: Patience = BRIEFLY,
): Promise<Cluster> {
  const fresh: Cluster = { id: expect.id ?? randomHex(catalog, 4), partitions: expect.partitions, layout: LAYOUT };
  const bytes = encodeJsonObject(catalog.crc32, { version: VERSION, ...fresh });
  const found = await persist(catalog, patience, async () => {
    const before = await readCluster(catalog);
    if (before !== undefined) return before;
    if ((await catalog.objects.get(trimKey)) !== undefined) throw lostCluster();
    await catalog.objects.putIfAbsent(clusterKey, bytes);
    const after = await readCluster(catalog);
    if (after === undefined) throw new KilnError('unavailable', `object ${clusterKey} was written and is not there`);
    return after;
  });
  refuseOther(found, expect);
  return found;
}

/** What is said of a mark that is not there although what came after it is. */
export function lostCluster(): KilnError {
  return new KilnError(
    'data_loss',
    `object ${clusterKey} is missing, but ${trimKey}, which was written after it, exists: somebody removed it by hand, or the store lost it`,
  );
}

/** The cluster's mark, undefined when there is none yet. */
export async function readCluster(catalog: CatalogReader): Promise<Cluster | undefined> {
  const stored = await catalog.objects.get(clusterKey);
  if (stored === undefined) return undefined;
  const fields = decodeJsonObject(catalog.crc32, clusterKey, stored.bytes, VERSION);
  const layout = fields.whole('layout', 1);
  if (layout > LAYOUT) {
    throw new KilnError(
      'failed_precondition',
      `the data has layout ${layout}, this build of Kiln knows layouts up to ${LAYOUT}: start the newer Kiln that wrote it`,
    );
  }
  return { id: fields.text('id'), partitions: fields.whole('partitions', 1), layout };
}

function refuseOther(found: Cluster, expect: { readonly partitions: number; readonly id?: string | undefined }): void {
  if (expect.id !== undefined && expect.id !== found.id) {
    throw new KilnError(
      'failed_precondition',
      `the objects belong to cluster ${found.id}, the log to cluster ${expect.id}: start with the log and the objects of one cluster`,
    );
  }
  if (expect.partitions !== found.partitions) {
    throw new KilnError(
      'failed_precondition',
      `the data was made with ${found.partitions} partitions, this process is set to ${expect.partitions}: the number is fixed when the data directory ` +
        `is made, so set it to ${found.partitions} or start on empty data`,
    );
  }
}
