import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { frameTree, pathOf, rowOf } from './frame-tree.ts';
import { compileSearch } from './regex-engine.ts';
import { isListed, isMarked, matchedTotal, matchesOf, parseSearch, toggledSearch, type Search } from './search.ts';
import { anyStacks, flameDataOf } from './test-support/stacks.ts';

const parsed = (text: string): Search => parseSearch(text, compileSearch);

const found = (text: string, name: string): boolean | string => {
  const search = parsed(text);
  return search.kind === 'names' || search.kind === 'name' ? search.matches(name) : search.kind;
};

describe('a search', () => {
  it('is text in any case', () => {
    expect(found('JSON', 'encoding/json.Marshal')).toBe(true);
    expect(found(' json ', 'encoding/json.Marshal')).toBe(true);
    expect(found('a.b', 'aXb')).toBe(false);
  });

  it('between slashes is a regular expression, in any case with an i behind it', () => {
    expect(found('/^a.b$/', 'aXb')).toBe(true);
    expect(found('/^A/', 'aXb')).toBe(false);
    expect(found('/^A/i', 'aXb')).toBe(true);
    expect(found('/a\\/b/', 'a/b')).toBe(true);
  });

  it('between quotes is one name, as a click on it searches, also a name of quotes', () => {
    expect(found('"main.work"', 'main.work')).toBe(true);
    expect(found('"main.work"', 'main.worker')).toBe(false);
    for (const name of ['main.work', '"a"', '/x/', ' ', '']) {
      const clicked = parsed(toggledSearch('', name));
      expect([isMarked(clicked, name), isListed(clicked, 'another')]).toEqual([true, true]);
      expect(toggledSearch(toggledSearch('', name), name)).toBe('');
    }
  });

  it('finds functions without a name by what they are called then', () => {
    expect(found('no name', '')).toBe(true);
    expect(found('""', '')).toBe(true);
    expect(found('""', 'main')).toBe(false);
  });

  it('with a slash that is not closed is text', () => {
    expect(found('/', 'a/b')).toBe(true);
    expect(found('//', 'a//b')).toBe(true);
    expect(found('java/util', 'java/util/HashMap.get')).toBe(true);
  });

  it('of nothing matches nothing, and one that does not compile says why', () => {
    expect(parsed('  ').kind).toBe('none');
    const broken = parsed('/(/');
    expect(broken.kind === 'invalid' && broken.message).toBe('invalid regular expression: missing closing ): `(`');
  });

  it('takes time linear in a name, whatever the expression', () => {
    expect(found('/(a+)+$/', `${'a'.repeat(5_000)}!`)).toBe(false);
  });

  it('by an expression finds and hides nothing while its engine is awaited; text needs none', () => {
    expect(parseSearch('/a/', undefined).kind).toBe('none');
    expect(isListed(parseSearch('/a/', undefined), 'b')).toBe(true);
    expect(parseSearch('a', undefined).kind).toBe('names');
  });
});

it('the matched share counts a sample once, however many of its frames match', () => {
  fc.assert(
    fc.property(anyStacks, fc.constantFrom('/[ab]/', 'c', 'toString', '/./'), fc.nat(20), (stacks, text, some) => {
      const tree = frameTree(flameDataOf(stacks));
      const search = parsed(text);
      const matches = matchesOf(tree, search)!;
      const focus = some % tree.length;
      const path = pathOf(tree, focus);
      const within = stacks.filter(({ frames }) => path.every((name, i) => frames[i] === name));
      const isMatch = ({ frames }: { frames: readonly string[] }): boolean =>
        // A match above the focus is of the focus only when it is the focus itself.
        frames.slice(Math.max(0, path.length - 1)).some((name) => search.kind === 'names' && search.matches(name));
      expect(rowOf(tree, path)).toBe(focus);
      expect(matchedTotal(tree, matches, focus)).toBe(within.filter(isMatch).reduce((sum, { now }) => sum + now, 0));
    }),
  );
});

it('the root is no function: it matches no search', () => {
  const tree = frameTree(flameDataOf([{ frames: ['a'], base: 0, now: 1 }]));
  expect(matchedTotal(tree, matchesOf(tree, parsed('total'))!, 0)).toBe(0);
});
