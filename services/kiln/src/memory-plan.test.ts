import { totalmem } from 'node:os';
import { expect, test } from 'vitest';
import { ConfigError, loadConfig, parseFlags } from '@kiln/config';
import { memoryLimitBytes, processBytes, withinMemory } from './memory-plan.ts';
import { startSchema, type StartConfig } from './settings.ts';

const GIB = 2 ** 30;

test('the memory of a process is its container, or the machine where no container constrains it', () => {
  expect(memoryLimitBytes(16 * GIB, 2 * GIB)).toBe(2 * GIB);
  expect(memoryLimitBytes(16 * GIB, 0)).toBe(16 * GIB);
  expect(memoryLimitBytes(16 * GIB, 2 ** 64)).toBe(16 * GIB);
  expect(memoryLimitBytes(16 * GIB, 32 * GIB)).toBe(16 * GIB);
  expect(memoryLimitBytes()).toBeGreaterThan(0);
  expect(memoryLimitBytes()).toBeLessThanOrEqual(totalmem());
});

const MIB = 2 ** 20;

function configOf(...argv: string[]): StartConfig {
  return loadConfig(startSchema, parseFlags(startSchema, argv));
}

test('the ceiling is half of the memory unless it is set, and never less than the process needs', () => {
  expect(withinMemory(configOf(), 8 * GIB).memory.ceilingBytes).toBe(4 * GIB);
  expect(withinMemory(configOf('--memory.ceiling=600MiB'), 8 * GIB).memory.ceilingBytes).toBe(600 * MIB);
  const small = withinMemory(configOf(), 256 * MIB);
  expect(small.memory.ceilingBytes).toBeGreaterThan(processBytes(small));
  expect(() => withinMemory(configOf('--memory.ceiling=400MiB'), 8 * GIB)).toThrow(ConfigError);
});

test('what the shares may take together stays below the ceiling, whatever it is', () => {
  for (const ceiling of [480, 512, 1_024, 4_096, 65_536]) {
    const config = withinMemory(configOf(`--memory.ceiling=${ceiling}MiB`), 8 * GIB);
    const { ingester, distributor, compactor, queryFrontend } = config;
    const shares = [
      processBytes(config),
      ingester.headMaxBytes,
      distributor.inFlightMaxBytes * 1.25,
      compactor.maxJobBytes * 8,
      queryFrontend.maxConcurrent * 64 * MIB,
    ];
    expect(shares.reduce((sum, share) => sum + share)).toBeLessThanOrEqual(ceiling * MIB);
    expect(Math.min(...shares)).toBeGreaterThan(0);
  }
});

test('a large ceiling gives what was the default before there was one, and what is set stays', () => {
  const { ingester, distributor, compactor, queryFrontend } = withinMemory(configOf('--memory.ceiling=16GiB'));
  expect([ingester.headMaxBytes, distributor.inFlightMaxBytes, compactor.maxJobBytes]).toEqual([
    GIB,
    128 * MIB,
    128 * MIB,
  ]);
  expect(queryFrontend.maxConcurrent).toBe(4);
  const set = withinMemory(
    configOf('--memory.ceiling=1GiB', '--ingester.head-max-bytes=7MiB', '--querier.max-concurrent=9'),
  );
  expect([set.ingester.headMaxBytes, set.queryFrontend.maxConcurrent]).toEqual([7 * MIB, 9]);
});
