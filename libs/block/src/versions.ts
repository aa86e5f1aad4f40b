import { CorruptDataError } from '@kiln/bytes';
import { KilnError } from '@kiln/model';

/** Layout version of objects. A reader refuses a newer major; a newer minor only adds what an older reader may skip. */
export const MAJOR = 1;
export const MINOR = 3;
/** Since this one rows of a block rise by hour before they rise by series. */
export const MINOR_BY_HOUR = 3;

export const OBJECT_MAGIC = 0x314b4250; // "PBK1"
export const REGION_MAGIC = 0x4752; // "RG"
export const PART_MAGIC = 0x544b4250; // "PBKT"
export const FOOTER_MAGIC = 0x464b4250; // "PBKF"

/** Kinds of regions. 1 to 9, 13 and 14 are sections of a dataset; a reader skips those it does not know by their length. */
export const KIND = {
  samples: 1,
  pageDirectory: 2,
  rowIndex: 3,
  series: 4,
  /** Reserved for blocks of level 1 and 2, as functionTree; rollup is written there. */
  postings: 5,
  rollup: 6,
  functionTree: 7,
  symbols: 8,
  spans: 9,
  contents: 10,
  directory: 11,
  ids: 12,
  /** Of level 1 and 2, as rollup. */
  rowTotals: 13,
  fineRollup: 14,
} as const;

/** @throws KilnError `failed_precondition` for a newer major version, CorruptDataError for one that never was. */
export function checkVersion(major: number, minor: number, format: string): void {
  if (major > MAJOR)
    throw new KilnError(
      'failed_precondition',
      `${format} of format version ${major}.${minor}, supported is ${MAJOR}: it was written by a newer Kiln`,
    );
  if (major !== MAJOR) throw new CorruptDataError(format, 0, `version ${major}.${minor}`);
}
