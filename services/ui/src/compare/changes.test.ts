import { expect, it } from 'vitest';
import type { FunctionRow } from '../flame/props.ts';
import { changesOf } from './changes.ts';

const row = (name: string, flat: number, cum = flat): FunctionRow => ({ name, flat, cum });
const left = { rows: [row('main', 0, 100), row('slow', 60), row('same', 20), row('gone', 20)], total: 100 };
const right = { rows: [row('main', 0, 200), row('slow', 40), row('same', 40), row('added', 120)], total: 200 };

it('a function is new, removed or changed by its share of its side, the largest change first', () => {
  const changes = changesOf(left, right, 'flat');
  expect(changes.map(({ name, kind }) => [name, kind])).toEqual([
    ['added', 'new'],
    ['slow', 'changed'],
    ['gone', 'removed'],
    ['same', 'same'],
    ['main', 'same'],
  ]);
  expect(changes[1]).toMatchObject({ left: 60, right: 40, leftShare: 0.6, rightShare: 0.2 });
});

it('a function with no value of its own is there when others have theirs below it', () => {
  expect(changesOf(left, right, 'cum').find(({ name }) => name === 'main')).toMatchObject({
    kind: 'same',
    leftShare: 1,
    rightShare: 1,
  });
});

it('a side without samples has no shares', () => {
  const none = { rows: [], total: 0 };
  expect(changesOf(none, right, 'flat').every(({ kind, leftShare }) => kind === 'new' && leftShare === 0)).toBe(true);
  expect(changesOf(left, none, 'flat').every(({ kind, rightShare }) => kind === 'removed' && rightShare === 0)).toBe(
    true,
  );
});
