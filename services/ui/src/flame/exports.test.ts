import { describe, expect, it } from 'vitest';
import { collapsedText } from './collapsed.ts';
import { flameSvg } from './svg.ts';

const plain = { search: '', focus: [], sandwich: undefined, inverted: false, colours: 'package' } as const;

const data = {
  names: ['total', 'a;b', '<script>alert("&")</script>', 'bell\u0007\nline'],
  levels: [
    [0, 10, 0, 0],
    [0, 6, 2, 1, 0, 4, 4, 3],
    [2, 4, 4, 2],
  ],
  total: 10,
  unit: 'nanoseconds',
};

describe('collapsed text', () => {
  it('has a line for every frame with a value of its own, and no separator inside a name', () => {
    expect(collapsedText(data)).toBe('a:b 2\nbell\u0007 line 4\na:b;<script>alert("&")</script> 4\n');
  });

  it('writes all digits, and of averages what is behind the point', () => {
    const one = (value: number): string =>
      collapsedText({
        ...data,
        levels: [
          [0, value, 0, 0],
          [0, value, value, 1],
        ],
        total: value,
      });
    expect([one(2 ** 70), one(1.125)]).toEqual(['a:b 1180591620717411303424\n', 'a:b 1.125\n']);
  });

  it('of nothing is nothing', () => {
    expect(collapsedText({ ...data, levels: [[0, 0, 0, 0]], total: 0 })).toBe('');
  });
});

describe('an SVG', () => {
  it('is one whole picture that says the values of every box and carries no markup of a name', () => {
    const svg = flameSvg(data, plain, 'a<b', 'light');
    expect(svg).toContain('a&lt;b · 10 ns');
    expect(svg).toContain('<title>a;b: total 6 ns, self 2 ns (20.0%), of all 60.0%.</title>');
    expect(svg.match(/<g>/g)).toHaveLength(4);
    expect(svg).toContain('bell??line');
    expect(svg).not.toMatch(/<script|href/);
  });

  it('shows the direction that the page shows', () => {
    const svg = flameSvg(data, { ...plain, inverted: true }, 'x', 'dark');
    expect(svg.match(/<g>/g)).toHaveLength(5);
  });

  it('of nothing is a picture all the same', () => {
    expect(flameSvg({ ...data, levels: [], total: 0 }, plain, 'x', 'light')).toContain('</svg>');
  });
});
