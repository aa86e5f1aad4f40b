import {
  anyStored,
  listTenants,
  lostCluster,
  lostRegister,
  readChain,
  readCluster,
  readManifests,
  readTenantIndex,
  readTrim,
  type CatalogReader,
  type Chain,
  type TenantIndex,
} from '@kiln/catalog';
import { KilnError, parseLogId, type TenantId } from '@kiln/model';
import { allKeys, type DataReader } from './data-reader.ts';
import type { Stored } from './stored.ts';

/** What of a catalog can be read, and what is wrong with the rest. */
export interface Survey {
  /** The chains and indexes that are whole. */
  readonly stored: Stored;
  /** Of logs whose chain is not: the manifests that can be read all the same. */
  readonly remains: readonly Pick<Chain, 'T' | 'manifests'>[];
  readonly faults: readonly Fault[];
}

/** One thing that is wrong, and what that means for who starts Kiln on it. */
export interface Fault {
  readonly found: string;
  readonly advice: string;
}

const NO_START = 'Kiln does not start on it: put the directory back from a backup';
const NOT_READY =
  'Kiln starts on it and keeps what is pushed in its log, but is not ready and refuses queries: put this object back from a backup and start again; ' +
  'a manifest never changes, so any copy of it will do';
const NO_QUERIES =
  'Kiln starts on it, but refuses the queries of this tenant: put the directory back from a backup, not an older index alone';

/** As `readStored`, but goes on behind what is damaged or missing. */
export async function surveyCatalog(reader: DataReader): Promise<Survey> {
  const faults: Fault[] = [];
  const tryTo = async <T>(advice: string, work: () => Promise<T>): Promise<T | undefined> => {
    try {
      return await work();
    } catch (error) {
      faults.push({ found: sentence(error), advice });
      return undefined;
    }
  };
  await tryTo(NO_START, async () => {
    if ((await readCluster(reader)) === undefined && (await isAnythingStored(reader))) throw lostCluster();
  });
  const trim = await tryTo(NO_START, async () => {
    const key = await anyStored(reader);
    const found = await readTrim(reader);
    if (found.rev === 0 && key !== undefined) throw lostRegister(key);
    return found;
  });
  // Without the register what T is cannot be known, and so not which segments have to be there.
  const logs = trim?.logs ?? (await logsOf(reader)).map((log) => ({ log, T: Number.POSITIVE_INFINITY }));
  const chains: Chain[] = [];
  const remains: Pick<Chain, 'T' | 'manifests'>[] = [];
  for (const { log, T } of logs) {
    const broken = trim === undefined ? [] : await readInto(chains, () => readChain(reader, log));
    if (trim !== undefined && broken.length === 0) continue;
    const each = await readManifests(reader, log);
    for (const found of new Set([...each.faults, ...broken].map(sentence))) faults.push({ found, advice: NOT_READY });
    remains.push({ T, manifests: each.manifests });
  }
  const indexes = new Map<TenantId, TenantIndex>();
  const named = [...chains, ...remains].flatMap(({ manifests }) => manifests.flatMap(({ tenants }) => tenants));
  const tenants = new Set([...named.map(({ tenant }) => tenant), ...(await listTenants(reader))]);
  for (const tenant of [...tenants].toSorted((a, b) => (a < b ? -1 : 1))) {
    const index = await tryTo(NO_QUERIES, () => readTenantIndex(reader, tenant));
    if (index !== undefined) indexes.set(tenant, index);
  }
  return { stored: { chains, indexes }, remains, faults };
}

/** Whether something is there that is written after the mark of the cluster. */
async function isAnythingStored({ objects }: DataReader): Promise<boolean> {
  const found = await Promise.all(['log/', 'tenants/'].map((prefix) => objects.list(prefix, { limit: 1 })));
  return found.some((keys) => keys.length > 0);
}

/** Adds the chain, unless the log is gone. @returns what was thrown instead, if anything. */
async function readInto(chains: Chain[], read: () => Promise<Chain | undefined>): Promise<unknown[]> {
  try {
    const chain = await read();
    if (chain !== undefined) chains.push(chain);
    return [];
  } catch (error) {
    return [error];
  }
}

function sentence(error: unknown): string {
  return KilnError.from(error).message;
}

/** The logs that have objects. */
async function logsOf(reader: CatalogReader): Promise<ReturnType<typeof parseLogId>[]> {
  const names = (await allKeys(reader, 'log/')).flatMap((key) => /^log\/([^/]+)\/m\//.exec(key)?.[1] ?? []);
  return [...new Set(names)].map((name) => parseLogId(name));
}
