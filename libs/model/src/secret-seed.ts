/**
 * A number that nobody outside of this thread knows, made when it starts. Hash tables whose content comes from clients depend on it, so that nobody can
 * choose content that meets in one slot, and turn each look-up into a walk over the table. No result depends on it: rows are numbered as they come.
 */
export const SECRET_SEED: number = crypto.getRandomValues(new Int32Array(1))[0]!;
