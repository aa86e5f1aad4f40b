import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import type { FileCost } from './file-cost.ts';
import { ToolOptions } from './tool-options.ts';

/** What of vitest’s report is read. Exit code 0 only when nothing failed and something ran. */
interface Report {
  readonly numPassedTests: number;
  readonly numFailedTests: number;
  readonly numPendingTests: number;
  readonly numTodoTests: number;
  readonly testResults: readonly { status: string; assertionResults: readonly { status: string }[] }[];
}

const HELP = `./kiln test [--long] [words of file names…]: what can run here; then what was skipped and why, the files that cost most, and one line of counts.

  --long   the long forms too: hours

KILN_REQUIRE_SERVICES=1: what cannot run fails.
`;
const options = new ToolOptions('test', HELP);

const folder = mkdtempSync(join(tmpdir(), 'kiln-test-'));
const reportFile = join(folder, 'report.json');
const skipsFile = join(folder, 'skips');
const costsFile = join(folder, 'costs');
const started = performance.now();
const code = await runVitest();
const ok = summarise(code);
rmSync(folder, { recursive: true, force: true });
process.exit(ok ? 0 : 1);

function runVitest(): Promise<number> {
  const env: NodeJS.ProcessEnv = { ...process.env, KILN_SKIPS_FILE: skipsFile, KILN_COSTS_FILE: costsFile };
  if (options.has('--long')) env['KILN_LONG'] = '1';
  const vitest = spawn(
    process.execPath,
    [
      'node_modules/vitest/vitest.mjs',
      'run',
      '--reporter=dot',
      '--reporter=json',
      `--outputFile.json=${reportFile}`,
      ...options.words,
    ],
    { env, stdio: 'inherit' },
  );
  return new Promise((resolve) => vitest.on('exit', (exit) => resolve(exit ?? 1)));
}

function summarise(exit: number): boolean {
  if (existsSync(skipsFile)) {
    const lines = new Set(readFileSync(skipsFile, 'utf8').trimEnd().split('\n'));
    for (const line of lines) process.stdout.write(`${line}\n`);
  }
  if (existsSync(costsFile)) sayCosts(readFileSync(costsFile, 'utf8').trimEnd().split('\n'));
  if (!existsSync(reportFile)) {
    process.stdout.write(`vitest ended with code ${exit} and no report\n0 passed, 1 failed, 0 skipped\n`);
    return false;
  }
  const report = JSON.parse(readFileSync(reportFile, 'utf8')) as Report;
  // A file that could not be loaded has no tests to count, yet it failed.
  const broken = report.testResults.filter(
    ({ status, assertionResults }) => status === 'failed' && assertionResults.every((one) => one.status !== 'failed'),
  ).length;
  const { numPassedTests: passed, numFailedTests, numPendingTests, numTodoTests } = report;
  // Anything else that made vitest fail, for example an error after the last test, counts as one.
  const failed = numFailedTests + broken || (exit === 0 ? 0 : 1);
  process.stdout.write(`${((performance.now() - started) / 1000).toFixed(1)} s\n`);
  process.stdout.write(`${passed} passed, ${failed} failed, ${numPendingTests + numTodoTests} skipped\n`);
  return failed === 0 && passed > 0;
}

/** The ten files that cost most CPU time: it, and not waiting, is what a run of all files on few cores is made of. */
function sayCosts(lines: readonly string[]): void {
  const costs = lines.map((line) => JSON.parse(line) as FileCost).sort((a, b) => b.cpuMs - a.cpuMs);
  const seconds = (ms: number): string => `${(ms / 1000).toFixed(1)} s`.padStart(9);
  const all = costs.reduce((sum, { cpuMs }) => sum + cpuMs, 0);
  process.stdout.write(`${seconds(all)} CPU in ${costs.length} files, of which most in\n`);
  for (const { file, cpuMs, wallMs } of costs.slice(0, 10))
    process.stdout.write(`${seconds(cpuMs)} CPU ${seconds(wallMs)}  ${relative('.', file)}\n`);
}
