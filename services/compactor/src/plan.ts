import {
  containedUpTo,
  type Chain,
  type Compacted,
  type LiveBlock,
  type TenantIndex,
  type TrimmedGap,
} from '@kiln/catalog';
import type { LogId, TenantId } from '@kiln/model';
import type { CompactorConfig } from './config.ts';
import { LATE_MS, windowsAt, windowStart, type Windows } from './windows.ts';

/** Bytes of an object to read: a part of a segment, or of a block. */
export interface Source {
  readonly object: string;
  readonly off: number;
  readonly len: number;
  readonly rows: number;
  readonly minMs: number;
  readonly maxMs: number;
}

/** Segments to make blocks of: COMPACT of distributed.md §1.10. */
export interface CompactJob {
  readonly kind: 'compact';
  readonly tenant: TenantId;
  readonly sources: readonly Source[];
  readonly windows: Windows;
  /** What the commit will say besides blocks. */
  readonly commit: Pick<Compacted, 'rev' | 'taken' | 'gaps' | 'goneLogs'>;
}

/** Blocks to make one of: MERGE. All lie in one window. */
export interface MergeJob {
  readonly kind: 'merge';
  readonly tenant: TenantId;
  readonly sources: readonly Source[];
  readonly windows: Windows;
  readonly rev: number;
}

/** When the segments of a tenant are compacted, whichever comes first (design: distributed.md §2.3). */
const DUE = [
  { bytes: 64 * 1024 * 1024, ageMs: 0 },
  { bytes: 1024 * 1024, ageMs: 15 * 60_000 },
  { bytes: 0, ageMs: 60 * 60_000 },
];
/** Blocks of an hour that is not over yet, at which they are merged all the same. */
const MANY_BLOCKS = 8;
/**
 * Late blocks are merged into the block of their day when they have this share of its rows, when there are MANY_BLOCKS of them, or when one waits for
 * the length of a day window: so copies among them count no longer than that, and no day is written more than once a day for what came late.
 */
const LATE_SHARE = 0.1;

/** What a tenant's segments hold above W. */
export interface Uncompacted {
  readonly bytes: number;
  /** Append time of the oldest; undefined when there is nothing. */
  readonly sinceMs: number | undefined;
}

/** What a compaction is planned from. */
export interface CompactView {
  readonly chains: readonly Chain[];
  readonly tenant: TenantId;
  readonly index: TenantIndex;
  readonly goneLogs: ReadonlySet<LogId>;
}

interface Segment extends Source {
  readonly log: LogId;
  readonly end: number;
  readonly appendMs: number;
}

export function uncompacted(chains: readonly Chain[], tenant: TenantId, index: TenantIndex): Uncompacted {
  const segments = segmentsAbove(chains, tenant, index);
  return { bytes: segments.reduce((sum, { len }) => sum + len, 0), sinceMs: segments[0]?.appendMs };
}

/**
 * COMPACT, steps 1 and 2: the tenant's parts above W, oldest first, as many as a job reads; undefined when nothing is due.
 * @param now whatever there is is due.
 */
export function planCompaction(
  { chains, tenant, index, goneLogs }: CompactView,
  config: CompactorConfig,
  nowMs: number,
  now = false,
): CompactJob | undefined {
  const segments = segmentsAbove(chains, tenant, index);
  const bytes = segments.reduce((sum, { len }) => sum + len, 0);
  const oldest = segments[0];
  if (oldest === undefined) return undefined;
  // After a clock was set back, stamps lie ahead of it for as long as it had been ahead: then the log's own time tells how old they are.
  const { tip } = chains.find(({ log }) => log === oldest.log)!;
  const ageMs = Math.max(nowMs, tip!.aMax) - oldest.appendMs;
  if (!now && !DUE.some((due) => bytes >= Math.min(due.bytes, config.maxJobBytes) && ageMs >= due.ageMs))
    return undefined;
  const sources = withinBytes(segments, config.maxJobBytes);
  const last = new Map(sources.map(({ log, end }) => [log, end]));
  const whole = sources.length === segments.length;
  const taken = chains
    .filter(({ log }) => last.has(log))
    .map(({ log, E }) => ({ log, from: containedUpTo(index, log), end: whole ? E : last.get(log)! }));
  const gaps = chains.flatMap((chain) => {
    const mine = taken.find(({ log }) => log === chain.log);
    return mine === undefined ? [] : gapsBetween(chain, mine.from, mine.end);
  });
  return {
    kind: 'compact',
    tenant,
    sources,
    windows: windowsAt(config, nowMs),
    commit: { rev: index.rev, taken, gaps, goneLogs },
  };
}

/**
 * The gaps in (from, end] of a log: below T those of `log/trim`, as the manifests there may be gone. A reader whose `log/trim` is older than the index has
 * them from the index alone.
 */
function gapsBetween({ log, partition, T, trimmed, manifests }: Chain, from: number, end: number): TrimmedGap[] {
  const passed = manifests.filter((manifest) => manifest.end > Math.max(from, T) && manifest.end <= end);
  return [
    ...trimmed.filter(({ upTo }) => upTo > from),
    ...passed.flatMap(({ gaps }) => gaps.map((gap) => ({ log, partition, ...gap }))),
  ];
}

/** The tenant's parts in manifests above max(W, T), oldest append first; those of one log stay in order. */
function segmentsAbove(chains: readonly Chain[], tenant: TenantId, index: TenantIndex): Segment[] {
  return chains
    .flatMap((chain) => {
      const from = Math.max(containedUpTo(index, chain.log), chain.T);
      return chain.manifests
        .filter(({ end, object }) => end > from && object !== undefined)
        .flatMap(({ end, aMax, object, tenants }) =>
          tenants
            .filter((part) => part.tenant === tenant)
            .map(({ off, len, rows, minMs, maxMs }): Segment => ({
              object: object!,
              off,
              len,
              rows,
              minMs,
              maxMs,
              log: chain.log,
              end,
              appendMs: aMax,
            })),
        );
    })
    .toSorted((a, b) => a.appendMs - b.appendMs || a.end - b.end);
}

/**
 * MERGE: blocks that should be one, of the oldest window that has such; undefined when there are none. Blocks that are damaged, or together larger
 * than a job reads, stay as they are.
 */
export function planMerge(
  { tenant, index }: { tenant: TenantId; index: TenantIndex },
  config: CompactorConfig,
  nowMs: number,
): MergeJob | undefined {
  const windows = windowsAt(config, nowMs);
  const healthy = index.blocks.filter(({ damage }) => damage === undefined);
  const days = Map.groupBy(healthy, ({ minMs }) => windowStart(minMs, config.dayMs));
  for (const [day, blocks] of [...days].toSorted(([a], [b]) => a - b)) {
    const found = day < windows.daysBeforeMs ? dueOfDay(blocks, config, nowMs) : dueOfHours(blocks, config, nowMs);
    if (found.length > 1) return { kind: 'merge', tenant, sources: found, windows, rev: index.rev };
  }
  return undefined;
}

/** A day that is over becomes one block; what comes late waits until it is worth the work. */
function dueOfDay(
  blocks: readonly LiveBlock[],
  { dayMs, maxJobBytes }: CompactorConfig,
  nowMs: number,
): readonly LiveBlock[] {
  const main = blocks.filter(({ level }) => level > 1).toSorted((a, b) => b.rows - a.rows)[0];
  if (main !== undefined) {
    const late = blocks.filter((block) => block !== main);
    const rows = late.reduce((sum, block) => sum + block.rows, 0);
    const waits = late.every(({ madeMs }) => madeMs !== undefined && nowMs - madeMs < dayMs);
    if (rows < LATE_SHARE * main.rows && late.length < MANY_BLOCKS && waits) return [];
  }
  return smallest(blocks, maxJobBytes);
}

/** An hour that is over becomes one block, one that is not when it has many. */
function dueOfHours(
  blocks: readonly LiveBlock[],
  { hourMs, maxJobBytes }: CompactorConfig,
  nowMs: number,
): readonly LiveBlock[] {
  const hours = Map.groupBy(blocks, ({ minMs }) => windowStart(minMs, hourMs));
  for (const [hour, some] of [...hours].toSorted(([a], [b]) => a - b)) {
    const isOver = hour + hourMs + LATE_MS <= nowMs;
    if (some.length < (isOver ? 2 : MANY_BLOCKS)) continue;
    const found = smallest(some, maxJobBytes);
    if (found.length > 1) return found;
  }
  return [];
}

/** As many of the smallest blocks as a job reads. */
function smallest(blocks: readonly LiveBlock[], maxBytes: number): readonly LiveBlock[] {
  const bySize = blocks.toSorted((a, b) => a.size - b.size || (a.object < b.object ? -1 : 1));
  const found = withinBytes(bySize, maxBytes);
  return found.reduce((sum, { len }) => sum + len, 0) <= maxBytes ? found : [];
}

/** The first items up to so many bytes, one at least. */
function withinBytes<T extends Source>(items: readonly T[], maxBytes: number): T[] {
  let bytes = 0;
  const over = items.findIndex(({ len }, i) => {
    bytes += len;
    return i > 0 && bytes > maxBytes;
  });
  return over < 0 ? [...items] : items.slice(0, over);
}
