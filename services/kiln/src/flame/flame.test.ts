import { describe, expect, test } from 'vitest';
import { amountText } from '@kiln/model';
import type { Values } from '../values.ts';
import { flameBars } from './bars.ts';
import { collapsedStacks } from './collapsed.ts';
import { flameNodes, flameTree, type FlameGraphJson } from './flame-tree.ts';
import { speedscopeText } from './speedscope.ts';
import { flameSvg } from './svg.ts';

/** The example of contract §5.6: a;b=3, a=2, c=5. */
const example: FlameGraphJson = {
  names: ['total', 'c', 'a', 'b'],
  levels: [
    { values: ['0', '10', '0', '0'] },
    { values: ['0', '5', '2', '2', '0', '5', '5', '1'] },
    { values: ['2', '3', '3', '3'] },
  ],
  total: '10',
};

describe('a flame graph', () => {
  test('becomes its tree again', () => {
    const tree = [...flameNodes(flameTree(example))].map(
      ({ node, depth }) => `${depth} ${node.name} ${node.total} ${node.self} at ${node.x}`,
    );
    expect(tree).toEqual(['0 total 10 0 at 0', '1 a 5 2 at 0', '2 b 3 3 at 2', '1 c 5 5 at 5']);
  });

  test('is exact up to the end of int64', () => {
    const root = flameTree({
      names: ['total', 'a'],
      levels: [
        { values: ['0', '9223372036854775807', '0', '0'] },
        { values: ['0', '9223372036854775807', '9223372036854775807', '1'] },
      ],
    });
    expect(collapsedStacks(root)).toBe('a 9223372036854775807\n');
  });

  test('of nothing is nothing', () => {
    expect(flameTree({}).total).toBe(0n);
    const empty = flameTree({ names: ['total'], levels: [{ values: ['0', '0', '0', '0'] }] });
    expect(collapsedStacks(empty)).toBe('');
    expect(flameSvg(empty, 'x', { unit: 'count', scale: 1 })).toContain('</svg>');
    expect(flameBars(empty, { columns: 80, colours: false, values: { unit: 'count', scale: 1 } })).toContain(
      '0 in all',
    );
  });

  test('whose numbers contradict each other is refused', () => {
    const refused = (levels: FlameGraphJson['levels']) =>
      expect(() => flameTree({ names: ['total', 'a'], levels: levels! })).toThrow('is no flame graph');
    refused([{ values: ['0', '10', '0'] }]);
    refused([{ values: ['0', '10', '0', '0'] }, { values: ['8', '5', '5', '1'] }]);
    refused([{ values: ['0', '10', '0', '0'] }, { values: ['12', '5', '5', '1'] }]);
  });
});

describe('bars', () => {
  test('of a function without a name say that it has none', () => {
    const tree = flameTree({
      ...example,
      levels: [{ values: ['0', '10', '0', '0'] }, { values: ['0', '5', '5', '2', '0', '5', '5', '0'] }],
    });
    const values: Values = { unit: 'count', scale: 1 };
    expect(flameBars(tree, { columns: 80, colours: false, values })).toMatch(/ 50\.0% .* \(no name\) · 5\n/);
    expect(flameSvg(tree, 'x', values)).toContain('(no name): 50');
  });

  test('lie where their boxes lie, with their share and the largest first', () => {
    const lines = flameBars(flameTree(example), {
      columns: 80,
      colours: false,
      values: { unit: 'count', scale: 1 },
    }).split('\n');
    expect(lines[1]).toMatch(/^ 100\.0% {2}█{24} {2}total$/);
    expect(lines[2]).toMatch(/^ {2}50\.0% {2}█{12} {14} a · 20\.0% self$/);
    expect(lines[3]).toMatch(/^ {2}30\.0% {2} {4}▊? *█{7}/);
    expect(lines[4]).toMatch(/^ {2}50\.0% {2} {12}█{12} {3}c · 5$/);
  });

  test('fit the line, whatever the names', () => {
    const names = ['total', 'x'.repeat(500), 'git.example.com/very/long/path/to/a/package.Function\u0007'];
    const root = flameTree({
      names,
      levels: [{ values: [0, 10, 0, 0] }, { values: [0, 10, 1, 1] }, { values: [1, 9, 9, 2] }],
    });
    for (const columns of [60, 80, 200]) {
      for (const line of flameBars(root, { columns, colours: false, values: { unit: 'bytes', scale: 1 } }).split(
        '\n',
      )) {
        expect(line.length).toBeLessThanOrEqual(columns);
        expect(line).not.toMatch(/\p{Cc}/u);
      }
    }
  });

  test('leave out what is small, and say so', () => {
    const root = flameTree({
      names: ['total', 'a', 'b'],
      levels: [{ values: [0, 1000, 0, 0] }, { values: [0, 999, 999, 1, 0, 1, 1, 2] }],
    });
    expect(flameBars(root, { columns: 80, colours: false, values: { unit: 'count', scale: 1 } })).toContain(
      '1 more below 0.5%',
    );
  });
});

test('an SVG is one whole picture with a title on every box, whatever the names', () => {
  const names = ['total', '<script>alert("&")</script>', 'bell\u0007\ud800'];
  const svg = flameSvg(
    flameTree({ names, levels: [{ values: [0, 10, 0, 0] }, { values: [0, 6, 6, 1, 0, 4, 4, 2] }] }),
    'a<b',
    { unit: 'nanoseconds', scale: 1 },
  );
  expect(svg).toContain(
    '<title>&lt;script&gt;alert(&quot;&amp;&quot;)&lt;/script&gt;: 60.00%, 6 ns, itself 6 ns</title>',
  );
  expect(svg).toContain('bell??');
  expect(svg.match(/<g>/g)?.length).toBe(3);
  expect(svg).not.toMatch(/<script|href/);
});

test('folded stacks hold no separator inside a name', () => {
  const names = ['total', 'a;b', 'c\nd'];
  const root = flameTree({
    names,
    levels: [{ values: [0, 5, 0, 0] }, { values: [0, 5, 2, 1] }, { values: [2, 3, 3, 2] }],
  });
  expect(collapsedStacks(root)).toBe('a:b 2\na:b;c d 3\n');
});

test('averages are told to three decimals, exactly', () => {
  const values = { unit: 'count', scale: 1_000 } as const;
  const levels = [{ values: ['0', '1.333', '0', '0'] }, { values: ['0', '0.333', '0.333', '1', '0', '1', '1', '2'] }];
  const root = flameTree({ names: ['total', 'a', 'b'], levels }, values);
  expect(collapsedStacks(root, values)).toBe('a 0.333\nb 1\n');
  expect(speedscopeText(root, 'x', values)).toContain('"endValue":1.333,"samples":[[0],[1]],"weights":[0.333,1]');
  expect(flameBars(root, { columns: 80, colours: false, values })).toContain('1.33 in all');
});

test('amounts have units that people read', () => {
  const want = (value: bigint, unit: string, text: string) => expect(amountText(value, unit)).toBe(text);
  want(12_345_678_901n, 'nanoseconds', '12.3 s');
  want(999n, 'nanoseconds', '999 ns');
  want(39_670_000n, 'microseconds', '39.7 s');
  want(3n, 'microseconds', '3.0 µs');
  want(120n, 'seconds', '2.0 min');
  want(0n, 'milliseconds', '0 ns');
  want(5n, 'toString', '5 toString');
  want(4n << 20n, 'bytes', '4.0 MiB');
  want(1_234_567n, 'samples', '1,234,567 samples');
  want(0n, 'count', '0');
});
