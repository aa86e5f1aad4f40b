import type { PartBytes } from './part-bytes.ts';
import { contentsPlace, type PartDataset } from './part.ts';
import type { StoredPage } from './sections/page-directory.ts';
import type { Place } from './region.ts';
import { KIND } from './versions.ts';

/*
 * A reader of a large part fetches what it needs step by step (design: engine.md §7, "GETs"):
 *   missingContents   until it is undefined: the table of contents, then `openPart`
 *   missingSections   of the datasets that it wants, all at once; once more for the rows of those whose roll-ups do not answer all
 *   missingPages      of the pages that it wants
 * All are pure: they say which ranges, the caller fetches them and adds them to the part's bytes.
 */

/** The last bytes of a part that one request fetches: most tables of contents lie in them. */
const TAIL_BYTES = 64 * 1024;

/** Bytes between two ranges that are fetched along, because they cost less than a second request. */
const GAP_BYTES = 64 * 1024;

/**
 * Sections that are fetched together: of series and totals; of stacks, from roll-ups where there are any; of rows and where their pages are; of symbols
 * alone; of span and trace ids with their samples' values.
 */
export type SectionSet = 'series' | 'stacks' | 'rows' | 'symbols' | 'spans';

const SECTIONS: Readonly<Record<SectionSet, readonly number[]>> = {
  series: [KIND.rowIndex, KIND.series],
  stacks: [KIND.series, KIND.rollup, KIND.symbols],
  rows: [KIND.pageDirectory, KIND.rowIndex],
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
  const kinds = sets.flatMap((set) => SECTIONS[set]);
  const wanted = datasets.flatMap(({ sections }) => {
    const byRow = sets.includes('stacks') && !sections.some(({ kind }) => kind === KIND.rollup);
    return sections.filter(({ kind }) => kinds.includes(kind) || (byRow && SECTIONS.rows.includes(kind)));
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
