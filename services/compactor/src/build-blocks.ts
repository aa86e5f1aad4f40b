import type { Codecs, DatasetTables, PartDataset } from '@kiln/block';
import { BlockWriter, mergeDatasets, openPart, verifyDataset } from '@kiln/block';
import { CorruptDataError } from '@kiln/bytes';
import type { TenantId } from '@kiln/model';
import type { ObjectStore } from '@kiln/objstore';
import type { Source } from './plan.ts';
import { levelOf, windowOf, type Windows } from './windows.ts';

/** What building stands on; it writes nothing. */
export interface BuildPorts {
  readonly objects: Pick<ObjectStore, 'getRange'>;
  readonly codecs: Codecs;
}

/** Parts of one tenant to make blocks of. Plain data: it may cross a thread. */
export interface BuildJob {
  readonly tenant: TenantId;
  readonly sources: readonly Source[];
  readonly windows: Windows;
  /** Numbers of sources whose object is known to be gone: they count as damaged. */
  readonly gone: readonly number[];
  /** 32 random hex digits: block ids and hash seeds come from it. */
  readonly nonce: string;
}

/** A block that is not stored yet. */
export interface BuiltBlock {
  /** 32 hex digits. */
  readonly blockId: string;
  readonly level: number;
  readonly bytes: Uint8Array;
  readonly off: number;
  readonly len: number;
  readonly rows: number;
  readonly minMs: number;
  readonly maxMs: number;
}

/** Rows of a source that cannot be read: all of it, or one of its datasets. */
export interface Damage {
  /** Number of the source. */
  readonly source: number;
  readonly rows: number;
  readonly minMs: number;
  readonly maxMs: number;
  readonly reason: string;
}

/** What came of a job. With `missing`, an object that was not there, nothing else counts: the plan may be old. */
export interface Built {
  readonly blocks: readonly BuiltBlock[];
  readonly damage: readonly Damage[];
  /** Rows that were dropped because an equal one is kept. */
  readonly copies: number;
  /** Rows that have series, time and id of another one and other totals: all are kept, because nobody can tell which is right. */
  readonly conflicts: number;
  readonly missing: string | undefined;
}

/** Where blocks are built: in threads, or in this one. */
export interface Builder {
  build(job: BuildJob): Promise<Built>;
}

interface Member {
  readonly source: number;
  readonly dataset: PartDataset;
}

/**
 * Readings of a part, or of one dataset in it, that is found damaged: bytes that were damaged on their way are whole the next time. What is damaged in
 * all of them counts no more, so there are enough that a line which spoils one reading of a hundred does so to one part of 10¹⁰.
 */
const READS = 5;

/**
 * Reads the parts and makes one block per window of what can be read: equal datasets become one, symbols are interned anew, copies are dropped.
 * A dataset is written before the next one is merged, so that of thousands one at a time is held as tables.
 * Every row of the sources is in a block, is a copy of one that is, or is named as damaged: its bytes were then found damaged each time.
 */
export async function buildBlocks(ports: BuildPorts, job: BuildJob): Promise<Built> {
  const damage: Damage[] = [];
  const groups = new Map<string, Member[]>();
  for (const [source, place] of job.sources.entries()) {
    const { rows, minMs, maxMs } = place;
    if (job.gone.includes(source)) {
      damage.push({ source, rows, minMs, maxMs, reason: `object ${place.object} is gone` });
      continue;
    }
    let datasets = await readDatasets(ports, job, source);
    for (let reads = 1; typeof datasets === 'string' && reads < READS; reads++)
      datasets = await readDatasets(ports, job, source);
    if (datasets === undefined) return { blocks: [], damage: [], copies: 0, conflicts: 0, missing: place.object };
    if (typeof datasets === 'string') {
      damage.push({ source, rows, minMs, maxMs, reason: datasets });
      continue;
    }
    for (const dataset of datasets) {
      const key = datasetKey(dataset);
      const group = groups.get(key);
      if (group === undefined) groups.set(key, [{ source, dataset }]);
      else group.push({ source, dataset });
    }
  }
  const windows = new Map<number, OpenBlock>();
  let copies = 0;
  let conflicts = 0;
  for (const group of groups.values()) {
    const merged = await mergeGroup(ports, group, job, damage);
    copies += merged.copies;
    conflicts += merged.conflicts;
    for (const [window, tables] of merged.windows) {
      let block = windows.get(window);
      if (block === undefined) windows.set(window, (block = openBlock(job, window, windows.size, ports.codecs)));
      block.writer.add(tables);
    }
  }
  const blocks = [...windows].toSorted(([a], [b]) => a - b).map(([, block]) => finishBlock(block));
  return { blocks, damage, copies, conflicts, missing: undefined };
}

/** Equal for datasets that can be one; a set of value types has no order. */
function datasetKey({ service, name, types }: PartDataset): string {
  const set = types.map(({ type, unit, periodType, periodUnit }) =>
    JSON.stringify([type, unit, periodType, periodUnit]),
  );
  return JSON.stringify([service, name, set.toSorted()]);
}

/** The datasets of a source as they are read now, undefined when its object is missing, or what is wrong with it. */
async function readDatasets(
  { objects, codecs }: BuildPorts,
  { tenant, sources }: BuildJob,
  source: number,
): Promise<readonly PartDataset[] | string | undefined> {
  const { object, off, len } = sources[source]!;
  const bytes = await objects.getRange(object, off, len);
  if (bytes === undefined) return undefined;
  try {
    if (bytes.length !== len)
      throw new CorruptDataError(
        object,
        off + bytes.length,
        `the object ends, a part of ${len} bytes begins at ${off}`,
      );
    return openPart(bytes, tenant, codecs).datasets;
  } catch (error) {
    if (!(error instanceof CorruptDataError)) throw error;
    return `${object}: ${error.message}`;
  }
}

/** The dataset if it is whole, read again as often as it takes; or what was wrong with it each time. */
async function readWhole(ports: BuildPorts, job: BuildJob, { source, dataset }: Member): Promise<PartDataset | string> {
  const [place] = dataset.sections;
  let found = verifyDataset(dataset);
  for (let reads = 1; found !== undefined && reads < READS; reads++) {
    const again = await readDatasets(ports, job, source);
    if (again === undefined || typeof again === 'string') continue;
    dataset = again.find(({ sections: [first] }) => first?.off === place?.off)!;
    found = verifyDataset(dataset);
  }
  return found ?? dataset;
}

interface MergedGroup {
  readonly windows: ReadonlyMap<number, DatasetTables>;
  readonly copies: number;
  readonly conflicts: number;
}

/** Merges what can be read. When something cannot, each dataset is checked by itself, and those that stay damaged are left out and named. */
async function mergeGroup(
  ports: BuildPorts,
  group: readonly Member[],
  job: BuildJob,
  damage: Damage[],
): Promise<MergedGroup> {
  const seed = Number.parseInt(job.nonce.slice(0, 8), 16);
  const merge = (datasets: readonly PartDataset[]): MergedGroup =>
    mergeDatasets(
      datasets.map((dataset) => dataset.tables()),
      (timeMs) => windowOf(job.windows, timeMs),
      seed,
      ports.codecs,
    );
  try {
    return merge(group.map(({ dataset }) => dataset));
  } catch (error) {
    if (!(error instanceof CorruptDataError)) throw error;
    const whole: PartDataset[] = [];
    for (const member of group) {
      const found = await readWhole(ports, job, member);
      if (typeof found !== 'string') {
        whole.push(found);
        continue;
      }
      const { source, dataset } = member;
      const { service, name, minMs, maxMs, counts } = dataset;
      const reason = `${job.sources[source]!.object}: dataset ${service}, ${name}: ${found}`;
      damage.push({ source, rows: counts.rows, minMs, maxMs, reason });
    }
    if (group.every(({ dataset }, i) => dataset === whole[i])) throw error;
    return whole.length === 0 ? { windows: new Map(), copies: 0, conflicts: 0 } : merge(whole);
  }
}

/** A block that more datasets come for. */
interface OpenBlock {
  readonly blockId: string;
  readonly level: 1 | 2;
  readonly writer: BlockWriter;
}

function openBlock({ tenant, nonce, windows }: BuildJob, window: number, number: number, codecs: Codecs): OpenBlock {
  const blockId = nonce.slice(0, 24) + number.toString(16).padStart(8, '0');
  const id = Uint8Array.from({ length: 16 }, (_, i) => Number.parseInt(blockId.slice(2 * i, 2 * i + 2), 16));
  const level = levelOf(windows, window);
  return { blockId, level, writer: new BlockWriter({ level, blockId: id, tenant }, codecs) };
}

function finishBlock({ blockId, level, writer }: OpenBlock): BuiltBlock {
  const { bytes, entry } = writer.finish();
  const { off, len, rows, minMs, maxMs } = entry;
  return { blockId, level, bytes, off, len, rows, minMs, maxMs };
}
