import { expect, it } from 'vitest';
import { runQuery, finishQuery } from './run.ts';
import type { StacktracesQuery } from './query.ts';
import { cpuDataset, CPU_ID } from './test-support/model.ts';
import { toTables } from './test-support/tables.ts';

function dotOf(samples: Readonly<Record<string, bigint>>, maxNodes = 0): string {
  const query: StacktracesQuery = {
    kind: 'stacktraces',
    startMs: 0,
    endMs: 2000,
    profileType: CPU_ID,
    selector: '{}',
    maxNodes,
    format: 'dot',
  };
  const result = finishQuery(query, runQuery(query, [toTables(cpuDataset(samples))]));
  return result.format === 'dot' ? result.dot : '';
}

const boxes = (dot: string): Map<string, string> =>
  new Map(
    [...dot.matchAll(/^(N\d+) \[label="([^"]*)\\n(\d+) .*\\nof (\d+) /gm)].map((m) => [m[2]!, `${m[3]} of ${m[4]}`]),
  );

it('a call graph has flat and cumulative values, a recursion counted once', () => {
  const dot = dotOf({ 'main;a;a;b': 3n, 'main;a': 2n, 'main;c;a': 5n });
  expect(Object.fromEntries(boxes(dot))).toEqual({ main: '0 of 10', a: '7 of 10', b: '3 of 3', c: '0 of 5' });
  const number = (name: string): string => new RegExp(`^(N\\d+) \\[label="${name}\\\\n`, 'm').exec(dot)![1]!;
  const edge = (from: string, to: string): string | undefined =>
    new RegExp(`^${number(from)} -> ${number(to)} \\[label="(\\d+)`, 'm').exec(dot)?.[1];
  expect([edge('main', 'a'), edge('a', 'a'), edge('a', 'b'), edge('main', 'c'), edge('c', 'a')]).toEqual([
    '5',
    '3',
    '3',
    '5',
    '5',
  ]);
  expect(edge('b', 'a')).toBeUndefined();
  expect(dot).toContain('Total: 10 nanoseconds');
});

it('a call graph keeps the largest functions, and dashes the calls that lead through others', () => {
  const dot = dotOf({ 'main;x;work': 5n, 'main;y;work': 4n, 'main;z': 1n }, 2);
  expect([...boxes(dot).keys()]).toEqual(['main', 'work']);
  expect(dot).toMatch(/^N1 -> N2 \[label="9 nanoseconds".* style="dashed"\]$/m);
});

it('a call graph of nothing is empty, and names are text in it whatever they hold', () => {
  expect(dotOf({})).toBe('');
  expect(dotOf({ 'a"b\\\nc': 1n })).toContain('[label="a\\"b\\\\ c\\n1 nanoseconds (100.00%)');
});
