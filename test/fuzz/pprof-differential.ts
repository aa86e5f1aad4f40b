import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { dataDir } from '../support/captured.ts';
import { corpus } from '../support/corpus.ts';
import { mutatePprof } from '../support/mutate.ts';
import { pick, seededRandom } from '../support/seeded-random.ts';
import { withTimeNanos } from '../support/shift-time.ts';
import { difference, oracleOutcome, productOutcome } from './compare-profile.ts';

export interface DifferentialReport {
  readonly files: number;
  readonly accepted: number;
  /** Reasons of the refused, counted. */
  readonly refused: ReadonlyMap<string, number>;
  /** Sentences, at most 10. */
  readonly differences: readonly string[];
}

const NOW = 1_800_000_000_000;
const SMALL = 32 * 1024;

/** Files to start from, not compressed, their times inside the window: the generator's and, where there are, real ones. */
export function seedFiles(large: boolean): Uint8Array[] {
  const timeNanos = BigInt(NOW - 5_000) * 1_000_000n + 123n;
  const sizes = large ? { stacks: 1_500, draws: 4_000 } : { stacks: 30, draws: 150 };
  const generated = [
    ...corpus({ seed: 11, services: 2, pods: 2, intervals: 2, heapEvery: 2, startMs: NOW - 60_000, ...sizes }),
  ].map(({ gzip }) => new Uint8Array(gunzipSync(gzip)));
  const fixtures = globSync(join(import.meta.dirname, '../fixtures/pprof/[!r]*.pb'));
  const real = dataDir === undefined ? [] : globSync(join(dataDir, 'pprof/*.{pb.gz,pb,pprof}'));
  const read = [...fixtures, ...real].map((file) => {
    const bytes = readFileSync(file);
    return withTimeNanos(new Uint8Array(bytes[0] === 0x1f ? gunzipSync(bytes) : bytes), timeNanos);
  });
  return [...generated, ...read].filter((bytes) =>
    large ? bytes.length > SMALL && bytes.length < 1_500_000 : bytes.length <= SMALL,
  );
}

/** Mutates and compares `count` files. Every file follows from the seed and its number. */
export function runDifferential(options: {
  readonly seed: number | string;
  readonly count: number;
  readonly large: boolean;
  readonly say?: (line: string) => void;
}): DifferentialReport {
  const seeds = seedFiles(options.large);
  const refused = new Map<string, number>();
  const differences: string[] = [];
  let accepted = 0;
  for (let i = 0; i < options.count && differences.length < 10; i++) {
    const random = seededRandom(`${options.seed}/${i}`);
    const { bytes, steps } = mutatePprof(pick(random, seeds), random);
    const labels = [
      { name: '__name__', value: 'process_cpu' },
      { name: 'service_name', value: 'shop' },
      { name: 'region', value: 'eu' },
    ];
    const input = { bytes, labels, receivedMs: NOW };
    let found: string | undefined;
    const oracle = oracleOutcome(input);
    try {
      found = difference(productOutcome(input), oracle);
    } catch (error) {
      found = `crashed: ${error instanceof Error ? error.stack : String(error)}`;
    }
    if ('refused' in oracle) refused.set(oracle.refused[0]!, (refused.get(oracle.refused[0]!) ?? 0) + 1);
    else accepted++;
    if (found !== undefined) differences.push(`file ${options.seed}/${i} (${steps.join(', ')}): ${found}`);
    if (i % 10_000 === 9_999)
      options.say?.(`${i + 1} of ${options.count}, ${accepted} acceptable, ${differences.length} differences`);
  }
  return { files: options.count, accepted, refused, differences };
}

if (import.meta.main) {
  const [count = '100000', size = 'small', seed = '1'] = process.argv.slice(2);
  const say = (line: string): void => void process.stdout.write(`${line}\n`);
  const report = runDifferential({ seed, count: Number(count), large: size === 'large', say });
  say(
    `${report.files} files, ${report.accepted} acceptable, refused: ${JSON.stringify(Object.fromEntries(report.refused))}`,
  );
  report.differences.forEach(say);
  process.exitCode = report.differences.length === 0 ? 0 : 1;
}
