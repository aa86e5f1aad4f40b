import { nameText } from '@kiln/model';
import type { FrameTree } from './frame-tree.ts';

/**
 * What a search means: text in any case; between quotes one name (`"runtime.mallocgc"`); between slashes a regular expression
 * (`/^runtime\./`, `/json/i`) as selectors have them.
 */
export type Search =
  | { readonly kind: 'none' }
  | { readonly kind: 'names'; readonly matches: (name: string) => boolean }
  | { readonly kind: 'name'; readonly name: string; readonly matches: (name: string) => boolean }
  | { readonly kind: 'invalid'; readonly message: string };

/** Makes the test of names by a regular expression. @throws Error that says what is wrong with it. */
export type Compile = (pattern: string) => (name: string) => boolean;

/** Whether a search needs `Compile`. */
export function isExpression(text: string): boolean {
  return EXPRESSION.test(text);
}

const EXPRESSION = /^\/(.+)\/(i?)$/s;

/**
 * Reads what somebody typed; a slash alone, or without its other one, is text.
 * @param compile undefined while it is awaited: until then a search by an expression finds nothing and hides nothing.
 */
export function parseSearch(text: string, compile: Compile | undefined): Search {
  if (text.trim() === '') return { kind: 'none' };
  const [, one] = /^"(.*)"$/s.exec(text) ?? [];
  if (one !== undefined) return { kind: 'name', name: one, matches: (name) => name === one };
  const [, pattern, flags] = EXPRESSION.exec(text) ?? [];
  if (pattern === undefined) {
    const wanted = text.trim().toLowerCase();
    return { kind: 'names', matches: (name) => nameText(name).toLowerCase().includes(wanted) };
  }
  if (compile === undefined) return { kind: 'none' };
  try {
    return { kind: 'names', matches: compile(flags === 'i' ? `(?i)${pattern}` : pattern) };
  } catch (error) {
    return { kind: 'invalid', message: error instanceof Error ? error.message : String(error) };
  }
}

/** The search for one function alone; for nothing when it is searched already. */
export function toggledSearch(search: string, name: string): string {
  return search === `"${name}"` ? '' : `"${name}"`;
}

/** Whether a search picks a name out of a list; one name alone is marked in it instead. */
export function isListed(search: Search, name: string): boolean {
  return search.kind !== 'names' || search.matches(name);
}

/** Whether a search is for this name alone. */
export function isMarked(search: Search, name: string): boolean {
  return search.kind === 'name' && search.name === name;
}

/** Which frames a search matches. */
export interface Matches {
  /** How many rows before row i match; of `length` + 1 entries, so that a run of rows is asked at once. */
  readonly before: Uint32Array;
}

/** The rows whose names match; undefined when nothing is searched. */
export function matchesOf(tree: FrameTree, search: Search): Matches | undefined {
  if (search.kind !== 'names' && search.kind !== 'name') return undefined;
  const { length, names, name } = tree;
  const byName = new Uint8Array(names.length);
  for (let i = 0; i < names.length; i++) byName[i] = search.matches(names[i]!) ? 1 : 0;
  const before = new Uint32Array(length + 1);
  // The root stands for all samples, it is no function.
  for (let row = 1; row < length; row++) before[row + 1] = before[row]! + byName[name[row]!]!;
  return { before };
}

/** The samples in which a match is, each counted once: matches below a match are within it. @param root row below which to look. */
export function matchedTotal({ length, parent, total }: FrameTree, { before }: Matches, root: number): number {
  /** 1 below `root`, 2 below a match. */
  const state = new Uint8Array(length);
  state[root] = before[root + 1]! > before[root]! ? 2 : 1;
  let sum = state[root] === 2 ? total[root]! : 0;
  for (let row = root + 1; row < length; row++) {
    const above = state[parent[row]!]!;
    if (above === 1 && before[row + 1]! > before[row]!) {
      sum += total[row]!;
      state[row] = 2;
    } else state[row] = above;
  }
  return sum;
}
