import { copyForMutants, survives } from './run-mutant.ts';
import { mutants } from './mutants.ts';

/*
 * node test/mutants/run.ts [WORD…]
 * Plants each mutant whose name holds one of the words, or each there is, in a copy of the sources and runs the suite that must notice it.
 */
const words = process.argv.slice(2);
const chosen = mutants.filter(({ name }) => words.length === 0 || words.some((word) => name.includes(word)));
const copy = copyForMutants();
let holes = 0;
try {
  for (const mutant of chosen) {
    const started = performance.now();
    const why = await survives(copy, mutant);
    if (why !== undefined) holes++;
    const seconds = ((performance.now() - started) / 1000).toFixed(1).padStart(6);
    process.stdout.write(
      `${why === undefined ? 'noticed ' : 'SURVIVES'} ${seconds} s  ${mutant.name}${why === undefined ? '' : `: ${why}`}\n`,
    );
  }
} finally {
  copy.remove();
}
process.stdout.write(`${chosen.length - holes} of ${chosen.length} mutants were noticed\n`);
process.exitCode = holes === 0 && chosen.length > 0 ? 0 : 1;
