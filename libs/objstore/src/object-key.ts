import { KilnError } from '@kiln/model';

const SEGMENT = /^[a-zA-Z0-9!\-_.*'()~]{1,255}$/;
const MAX_KEY_BYTES = 1024;

/**
 * Lets only keys through that every adapter can hold (rules: object-store.ts): none leads out of a root folder.
 * @throws KilnError `invalid_argument` that names the key and the rule.
 */
export function checkKey(key: string): void {
  if (key.length > MAX_KEY_BYTES) throw bad(key, `it has ${key.length} bytes, allowed are ${MAX_KEY_BYTES}`);
  for (const segment of key.split('/')) {
    if (isSegment(segment)) continue;
    throw bad(
      key,
      `its part ${JSON.stringify(segment)} must be 1 to 255 of a-z A-Z 0-9 ! - _ . * ' ( ) ~ and not . or ..`,
    );
  }
}

/** Whether a name can be one part of a key. */
export function isSegment(name: string): boolean {
  return SEGMENT.test(name) && name !== '.' && name !== '..';
}

/** The parts of a prefix that are whole folders, each ending with `/`; undefined when no key can start with it. */
export function foldersOf(prefix: string): string[] | undefined {
  const folders = prefix.split('/').slice(0, -1);
  return folders.every(isSegment) ? folders : undefined;
}

/** How many keys one list call gives. */
export function checkLimit(limit = 1000): number {
  if (Number.isInteger(limit) && limit >= 1 && limit <= 1000) return limit;
  throw new KilnError('invalid_argument', `list limit ${limit}: allowed are 1 to 1000`);
}

/** The error for a key below an object, or an object that other keys are below of. */
export function keyConflict(key: string): KilnError {
  return new KilnError('failed_precondition', `the key ${key} would be both an object and a prefix of another object`);
}

function bad(key: string, why: string): KilnError {
  const shown = key.length > 200 ? `${key.slice(0, 200)}…` : key;
  return new KilnError('invalid_argument', `object key ${JSON.stringify(shown)}: ${why}`);
}
