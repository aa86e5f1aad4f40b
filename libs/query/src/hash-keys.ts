import { SECRET_SEED } from '@kiln/model';

/**
 * Secret odd multipliers of the hash tables of queries: clients choose the names, shapes and times in them. A secret where a hash begins would not do:
 * some content that meets under one beginning meets under many.
 */
export const KEY: number = SECRET_SEED | 1;
export const OTHER_KEY: number = Math.imul(SECRET_SEED ^ (SECRET_SEED >>> 15), 0x9e3779b1) | 1;
