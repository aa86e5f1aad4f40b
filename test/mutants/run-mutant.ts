import { didNotLoad, SourceCopy } from '../support/source-copy.ts';
import type { Mutant } from './mutants.ts';

/** Seeds that the simulation may need to notice a mutant; most are noticed by the first few. */
const SEEDS = 24;

export function copyForMutants(): SourceCopy {
  // The transform of the services asks for their tsconfig.
  return new SourceCopy([
    'libs',
    'services',
    'proto',
    'test/process/tiny-pprof.ts',
    'test/sim',
    'test/support',
    'tsconfig.base.json',
    'vitest.config.ts',
  ]);
}

/** Plants a mutant in the copy and runs its suite. @returns why the suite did not notice it, undefined when it did. */
export async function survives(copy: SourceCopy, mutant: Mutant): Promise<string | undefined> {
  const { noticedBy } = mutant;
  const takeOut = copy.plant(mutant);
  try {
    const { code, said } = await copy.run(
      noticedBy === 'simulation'
        ? ['test/sim/main.ts', '--seeds', String(SEEDS), '--until-broken']
        : ['node_modules/vitest/vitest.mjs', 'run', '--bail=1', noticedBy],
    );
    if (didNotLoad(said)) return `the mutant does not load: ${said.slice(-2000)}`;
    return code === 0 ? 'nobody noticed it' : undefined;
  } finally {
    takeOut();
  }
}
