import { describe, expect, it } from 'vitest';
import { frameTree, rowOf } from './frame-tree.ts';
import { diffDataOf, flameDataOf } from './test-support/stacks.ts';
import { changeText, factsOf, sentenceOf, shareText, valueText } from './texts.ts';

const stacks = [
  { frames: ['a', 'b'], base: 30, now: 20 },
  { frames: ['a'], base: 0, now: 20 },
  { frames: ['c'], base: 70, now: 60 },
];
const plain = { unit: 'count', kind: undefined, whole: 100, focus: 0, upwards: false };

describe('a frame is told', () => {
  it('with its total, its own value and their shares', () => {
    const tree = frameTree(flameDataOf(stacks));
    expect(sentenceOf(tree, rowOf(tree, ['a']), plain)).toBe('a: total 40, self 20 (20.0%), of all 40.0%.');
  });

  it('with its share of what is focused, where something is', () => {
    const tree = frameTree(flameDataOf(stacks));
    const facts = factsOf(tree, rowOf(tree, ['a', 'b']), { ...plain, focus: rowOf(tree, ['a']) });
    expect(facts.at(-1)).toEqual({ label: 'of the view', value: '50.0%' });
  });

  it('of a diff with both sides, and how its share changed', () => {
    const tree = frameTree(diffDataOf(stacks));
    expect(sentenceOf(tree, rowOf(tree, ['a']), plain)).toBe(
      'a: left 30 (30.0%), right 40 (40.0%), change of share +10.00 points, 1.33×, self 0 → 20.',
    );
  });
});

it('a value keeps its digits as far as they were read, and says when they are rounded', () => {
  expect(valueText(2 ** 53 - 1, 'count')).toBe('9,007,199,254,740,991');
  expect(valueText(2 ** 60, 'count')).toBe('≈ 1.153e+18');
  expect(valueText(2 ** 60, 'samples')).toBe('≈ 1.153e+18 samples');
  expect(valueText(2 ** 60, 'bytes')).toMatch(/^≈ |EiB$/);
  expect(valueText(1.5e9, 'nanoseconds')).toBe('1.5 s');
});

it('a share of what is there is never nothing', () => {
  expect([shareText(0, 100), shareText(1, 0), shareText(1, 1e6), shareText(1, 99), shareText(1, 3)]).toEqual([
    '0%',
    '0%',
    '<0.01%',
    '1.01%',
    '33.3%',
  ]);
});

it('a change is told in points and as a factor, and what was not or is no more by name', () => {
  expect(changeText(0.1, 0.05)).toBe('−5.00 points, 0.50×');
  expect([changeText(0, 0.1), changeText(0.1, 0), changeText(0, 0)]).toEqual(['new', 'gone', 'no change']);
});
