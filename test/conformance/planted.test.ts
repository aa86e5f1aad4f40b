import { spawn } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join, resolve } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { compareInProcess } from './in-process.ts';
import { plantedFaults } from './planted-faults.ts';

const repository = resolve(import.meta.dirname, '../..');
const copy = copyOfSources();

afterAll(() => rmSync(copy, { recursive: true, force: true }));

test('without a fault product and oracle agree', { timeout: 120_000 }, async () => {
  expect(compareInProcess()).toEqual([]);
  expect(await compareInCopy()).toEqual({ code: 0, said: '' });
});

test('there are at least 20 faults', () => {
  expect(new Set(plantedFaults.map(({ name }) => name)).size).toBeGreaterThanOrEqual(20);
});

test.each(plantedFaults)('noticed: $name', { timeout: 120_000 }, async ({ file, from, to }) => {
  const path = join(copy, file);
  const source = readFileSync(path, 'utf8');
  expect(source.split(from).length - 1, `"${from}" stands once in ${file}`).toBe(1);
  writeFileSync(
    path,
    source.replace(from, () => to),
  );
  try {
    const { code, said } = await compareInCopy();
    expect(code, 'the oracle noticed nothing').not.toBe(0);
    // A fault that keeps the sources from loading proves nothing.
    expect(said).not.toMatch(/SyntaxError|ERR_MODULE_NOT_FOUND/);
  } finally {
    writeFileSync(path, source);
  }
});

/** Libs, the head and the tests in a folder of their own, where `@kiln/*` means the copies. */
function copyOfSources(): string {
  const folder = mkdtempSync(join(tmpdir(), 'kiln-planted-'));
  const modules = join(folder, 'node_modules');
  mkdirSync(join(modules, '@kiln'), { recursive: true });
  const isSource = (path: string): boolean => !/^(?:dist|node_modules)$|\.test\.ts$/.test(basename(path));
  for (const part of [
    'libs',
    'services/ingester',
    'test/oracle',
    'test/support',
    'test/fuzz',
    'test/fixtures/pprof',
    'test/conformance',
  ]) {
    cpSync(join(repository, part), join(folder, part), { recursive: true, filter: isSource });
  }
  for (const name of readdirSync(join(repository, 'node_modules'))) {
    if (name !== '@kiln') symlinkSync(join(repository, 'node_modules', name), join(modules, name));
  }
  for (const name of readdirSync(join(folder, 'libs')))
    symlinkSync(join(folder, 'libs', name), join(modules, '@kiln', name));
  writeFileSync(join(folder, 'package.json'), '{"type":"module"}');
  return folder;
}

function compareInCopy(): Promise<{ code: number | null; said: string }> {
  const child = spawn(process.execPath, ['--conditions=source', 'test/conformance/in-process.ts'], {
    cwd: copy,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let said = '';
  const read = (chunk: Buffer): void => void (said += chunk.toString());
  child.stdout.on('data', read);
  child.stderr.on('data', read);
  return new Promise((done) => child.on('close', (code) => done({ code, said })));
}
