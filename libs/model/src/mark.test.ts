import { expect, it } from 'vitest';
import { markedName, markOf, plainName, type Mark } from './mark.ts';

it('a name carries a mark and gives both back; without a mark it stays as it is', () => {
  const marks: Mark[] = [
    { isStripped: true, annotations: [] },
    { isStripped: false, annotations: [{ key: 'k', value: '{"a":"\0\\u0000"}' }] },
    { isStripped: true, annotations: ['a', 'b'].map((key) => ({ key, value: '' })) },
  ];
  const names = marks.map((mark) => markedName('process_cpu', mark));
  expect(names.map(markOf)).toEqual(marks);
  expect(names.map(plainName)).toEqual(['process_cpu', 'process_cpu', 'process_cpu']);
  expect(new Set(names).size).toBe(3);
  const none = { isStripped: false, annotations: [] };
  expect([markedName('process_cpu', none), plainName('process_cpu'), markOf('process_cpu')]).toEqual([
    'process_cpu',
    'process_cpu',
    none,
  ]);
});
