import { availableParallelism } from 'node:os';
import { defineConfig } from 'vitest/config';

const setupFiles = [new URL('test/support/file-cost.ts', import.meta.url).pathname];

/** Nothing is proved by how long a test takes: a machine may have other work. */
const TEST_MS = 60_000;

/** What only compares runs beside each other, and first; what looks at the clock, or fills the machine by itself, runs alone after it. */
const BESIDE = { maxWorkers: availableParallelism(), sequence: { groupOrder: 0 } };
const ALONE = { maxWorkers: 1, sequence: { groupOrder: 1 } };

const COMPARES = [
  'test/conformance/conformance.test.ts',
  'test/e2e/{grafana,obligations,profilecli,protocols,reads-by-get,status-table}.test.ts',
  'test/{fuzz,oracle,support}/*.test.ts',
  'test/storage/{append-retry,frozen,frozen-block,lost-log,markers,torn-tail}.test.ts',
];

const WHOLE = {
  setupFiles,
  experimental: { viteModuleRunner: false },
  execArgv: ['--conditions=source'],
  testTimeout: TEST_MS,
  hookTimeout: TEST_MS,
};

/** Libs on plain Node with type stripping (a decorator there fails at once), services through the transform, and what looks at the whole. */
export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: 'libs',
          ...BESIDE,
          setupFiles,
          include: ['libs/**/*.test.ts'],
          exclude: ['libs/nest/**', '**/node_modules/**'],
          experimental: { viteModuleRunner: false },
          execArgv: ['--conditions=source'],
          testTimeout: TEST_MS,
        },
      },
      {
        ssr: { resolve: { conditions: ['source'] } },
        resolve: { conditions: ['source'] },
        // Test files are no part of a tsconfig, so the transform must be told here how edges are written.
        oxc: { decorator: { legacy: true } },
        test: {
          name: 'services',
          ...BESIDE,
          setupFiles,
          include: ['services/**/*.test.ts', 'libs/nest/**/*.test.ts', 'test/*.test.ts'],
          execArgv: ['--conditions=source'],
          testTimeout: TEST_MS,
        },
      },
      { test: { name: 'tests', ...BESIDE, ...WHOLE, include: COMPARES } },
      { test: { name: 'alone', ...ALONE, ...WHOLE, include: ['test/*/**/*.test.ts'], exclude: COMPARES } },
    ],
  },
});
