import { describe, expect, it } from 'vitest';
import { packageColour, paletteOf, rowColours, shareChange, type ColourMode, type Theme } from './colours.ts';
import { frameTree, rowOf } from './frame-tree.ts';
import { diffDataOf, flameDataOf } from './test-support/stacks.ts';
import { sandwichTrees } from './views.ts';

/** WCAG 2.2: contrast of two colours, 1 to 21. */
function contrast(a: string, b: string): number {
  const [dark, light] = [a, b].map(luminance).toSorted((x, y) => x - y) as [number, number];
  return (light + 0.05) / (dark + 0.05);
}

function luminance(hex: string): number {
  const [r, g, b] = [1, 3, 5].map((at) => {
    const part = Number.parseInt(hex.slice(at, at + 2), 16) / 255;
    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  }) as [number, number, number];
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

const looks = (['package', 'self', 'change'] as ColourMode[]).flatMap((mode) =>
  (['light', 'dark'] as Theme[]).map((theme) => [mode, theme] as const),
);

describe.each(looks)('colours by %s, %s', (mode, theme) => {
  it('let names be read on every fill', () => {
    const { fills, text, asideFill, asideText } = paletteOf(mode, theme);
    expect(fills.filter((fill) => contrast(fill, text) < 4.5)).toEqual([]);
    expect(contrast(asideFill, asideText)).toBeGreaterThanOrEqual(4.5);
  });

  it('are all different', () => {
    const { fills } = paletteOf(mode, theme);
    expect(new Set(fills).size).toBe({ package: 32, self: 9, change: 13 }[mode]);
  });
});

const stacks = [
  { frames: ['a', 'b'], base: 10, now: 0 },
  { frames: ['a', 'c'], base: 10, now: 20 },
  { frames: ['d'], base: 0, now: 5 },
  { frames: ['toString'], base: 80, now: 75 },
];

describe('the colour of a frame', () => {
  it('by package is that of its package wherever it stands', () => {
    const tree = frameTree(flameDataOf(stacks));
    expect(rowColours(tree, 'package')[rowOf(tree, ['d'])]).toBe(packageColour('d'));
    expect(packageColour('net/http')).toBe(packageColour('net/http'));
    expect(packageColour('net/http')).not.toBe(packageColour('runtime'));
  });

  it('by self is the first for none and grows with the share', () => {
    const tree = frameTree(flameDataOf(stacks));
    const colour = rowColours(tree, 'self');
    expect(colour[rowOf(tree, ['a'])]).toBe(0);
    expect(colour[rowOf(tree, ['d'])]).toBe(3);
    expect(colour[rowOf(tree, ['toString'])]).toBe(8);
  });

  it('of a diff is that of the change of its share, from gone to new', () => {
    const tree = frameTree(diffDataOf(stacks));
    const change = (...path: string[]): number => shareChange(tree, rowOf(tree, path));
    expect([change('a', 'b'), change('a'), change('a', 'c'), change('d')]).toEqual([-1, 0, 0.5, 1]);
    expect(change('toString')).toBeCloseTo(-5 / 80);
    // Also among the callees of a function: its share of all, not of the function.
    expect(shareChange(sandwichTrees(tree, 'a').callees, 0)).toBe(0);
    expect(shareChange(sandwichTrees(tree, 'toString').callees, 0)).toBeCloseTo(-5 / 80);
    const colour = rowColours(tree, 'package');
    expect([colour[rowOf(tree, ['a', 'b'])], colour[0], colour[rowOf(tree, ['d'])]]).toEqual([0, 6, 12]);
  });
});
