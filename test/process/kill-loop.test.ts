import { expect, test } from 'vitest';
import { kilnIsBuilt, kilnMain } from '../support/kiln-process.ts';
import { seededRandom } from '../support/seeded-random.ts';
import { long, requireService } from '../support/services.ts';
import { killLoop } from './kill-loop.ts';

const built = requireService('kiln', kilnIsBuilt(), `${kilnMain} is not built`);
const kills = long ? 500 : 25;

test.skipIf(!built)(
  `row 8: killed ${kills} times under load: what was acknowledged is there exactly once`,
  { timeout: long ? 4 * 3_600_000 : 3_600_000 },
  async () => {
    const report = await killLoop({
      kills,
      random: seededRandom('kill loop'),
      say: (line) => process.stdout.write(`kill loop: ${line}\n`),
    });
    process.stdout.write(
      `kill loop: ${report.kills} kills, ${report.cuts} cuts, ${report.blocks} blocks, ${report.acknowledged} acknowledged, ` +
        `retries answered after a crash ${report.retriedAfterCrash}, after a cut ${report.retriedAfterCut}, ${report.checks} checks\n`,
    );
    expect(report.wrong).toEqual([]);
    expect(report.kills).toBe(kills);
    expect(report.blocks).toBeGreaterThan(0);
    expect(report.retriedAfterCrash).toBeGreaterThanOrEqual(long ? 50 : 1);
    expect(report.retriedAfterCut).toBeGreaterThanOrEqual(long ? 50 : 1);
  },
);
