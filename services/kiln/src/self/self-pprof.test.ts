import { expect, test } from 'vitest';
import { readPprof } from '../../../../test/oracle/pprof-message.ts';
import { ModuleNames } from './module-names.ts';
import { selfPprof } from './self-pprof.ts';

test('what a thread did becomes stacks of functions with files below the program, exact times, and the thread as a label', () => {
  const frame = { name: 'run', url: 'file:///opt/kiln/services/kiln/dist/main.js', line: 7, samples: 0, cpuMicros: 0 };
  const bytes = selfPprof(
    [
      {
        thread: 'query',
        startMs: 1_800_000_000_123,
        durationMs: 5_000,
        nodes: [
          { ...frame, parent: -1 },
          { ...frame, parent: 0, name: '', line: 9, samples: 2, cpuMicros: 20_500 },
          { ...frame, parent: 0, name: 'other', url: 'file:///usr/secret/x.js', samples: 1, cpuMicros: 9_000 },
          { ...frame, parent: -1, name: '(garbage collector)', url: '', line: 0, samples: 1, cpuMicros: 3 },
          { ...frame, parent: -1, name: '(profiling)', url: '', line: 0, samples: 0, cpuMicros: 4 },
        ],
      },
    ],
    new ModuleNames('file:///opt/kiln/'),
    10,
  );
  const message = readPprof(bytes);
  const text = (row: bigint): string => Buffer.from(message.stringTable[Number(row)]!).toString();
  const name = (id: bigint): string => {
    const location = message.location.find((one) => one.id === id)!;
    const found = message.function.find((one) => one.id === location.line[0]!.functionId)!;
    return `${text(found.name)} ${text(found.filename)}:${location.line[0]!.line}`;
  };
  expect(message.sample.map(({ locationId, value }) => [locationId.map(name), value])).toEqual([
    [
      ['(anonymous) services/kiln/dist/main.js:9', 'run services/kiln/dist/main.js:7'],
      [2n, 20_500_000n],
    ],
    [
      ['other x.js:7', 'run services/kiln/dist/main.js:7'],
      [1n, 9_000_000n],
    ],
    [['(garbage collector) :0'], [1n, 3_000n]],
    [['(profiling) :0'], [0n, 4_000n]],
  ]);
  expect(message.sample.every(({ label }) => text(label[0]!.key) === 'thread' && text(label[0]!.str) === 'query')).toBe(
    true,
  );
  expect([message.timeNanos, message.durationNanos, message.period]).toEqual([
    1_800_000_000_123_000_000n,
    5_000_000_000n,
    10_000_000n,
  ]);
});
