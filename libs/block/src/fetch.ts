import type { PartBytes } from './part-bytes.ts';
import { contentsPlace, type PartDataset } from './part.ts';
import type { StoredPage } from './sections/page-directory.ts';
import type { Place } from './region.ts';
import { KIND } from './versions.ts';

/*
 * A reader of a large part fetches what it needs step by step (design: engine.md §7, "GETs"):
 *   missingContents   until it is undefined: the table of contents, then `openPart`
 *   missingSections   of the datasets that it wants, all at once; again for the finer roll-ups of those whose coarse ones do not answer all, and for
 *                     the rows of those that need them still
 *   missingPages      of the pages that it wants
 * All are pure: they say which ranges, the caller fetches them and adds them to the part's bytes.
 */

/** The last bytes of a part that one request fetches: most tables of contents lie in them. */
const TAIL_BYTES = 64 * 1024;

/** Bytes between two ranges that are fetched along, because they cost less than a second request. */
const GAP_BYTES = 64 * 1024;

/**
 * Sections that are fetched together: of series and totals; of stacks, from roll-ups where there are any; finer roll-ups; of rows and where their pages
 * are; ids of rows; symbols alone; span and trace ids with their samples' values.
 */
export type SectionSet = 'series' | 'stacks' | 'fine' | 'rows' | 'ids' | 'symbols' | 'spans';

const SECTIONS: Readonly<Record<SectionSet, readonly number[]>> = {
  series: [KIND.rowTotals, KIND.series],
  stacks: [KIND.series, KIND.rollup, KIND.symbols],
  fine: [KIND.fineRollup],
  rows: [KIND.pageDirectory, KIND.rowTotals],
  ids: [KIND.rowIndex],
  symbols: [KIND.symbols],
  spans: [KIND.spans],
};

/** What to fetch before the part can be opened; undefined when it can. @throws CorruptDataError when no part ends here. */
export function missingContents(bytes: PartBytes): Place | undefined {
  const off = Math.max(0, bytes.length - TAIL_BYTES);
  const tail = { off, len: bytes.length - off };
  if (!bytes.has(tail)) return tail;
  return bytes.missing([contentsPlace(bytes)])[0];
}

/** What to fetch of some datasets before those sections can be read. Without roll-ups, stacks need rows. */
export function missingSections(
  bytes: PartBytes,
  datasets: readonly PartDataset[],
  ...sets: readonly SectionSet[]
): Place[] {
  const wanted = datasets.flatMap(({ sections }) => {
    const has = (kind: number): boolean => sections.some((section) => section.kind === kind);
    const more = sets.includes('stacks') && !has(KIND.rollup) ? SECTIONS.rows : [];
    const kinds = new Set([...sets.flatMap((set) => SECTIONS[set]), ...more]);
    // Rows are in PINDEX, with ids that few queries want, where the ids are less than a section of their own.
    if (kinds.has(KIND.rowTotals) && !has(KIND.rowTotals)) kinds.add(KIND.rowIndex);
    return sections.filter(({ kind }) => kinds.has(kind));
  });
  return bytes.missing(wanted, GAP_BYTES);
}

/** What to fetch before some pages can be read. */
export function missingPages(bytes: PartBytes, pages: readonly StoredPage[]): Place[] {
  return bytes.missing(
    pages.map(({ place }) => place),
    GAP_BYTES,
  );
}
