import { spawn } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join, resolve } from 'node:path';

/** A one-line fault: `from` stands once in `file` and becomes `to`. */
export interface PlantedFault {
  readonly name: string;
  readonly file: string;
  readonly from: string;
  readonly to: string;
}

/** How a program ended, and what it said. */
export interface Ended {
  readonly code: number | null;
  readonly said: string;
}

const repository = resolve(import.meta.dirname, '../..');

/** Sources in a folder of their own, where `@kiln/*` means the copies: faults are planted there. */
export class SourceCopy {
  readonly folder: string;

  /** @param parts files and folders of the repository that are copied, without what was built. */
  constructor(parts: readonly string[]) {
    this.folder = mkdtempSync(join(tmpdir(), 'kiln-planted-'));
    const modules = join(this.folder, 'node_modules');
    mkdirSync(join(modules, '@kiln'), { recursive: true });
    const isSource = (path: string): boolean => !/^(?:dist|node_modules)$/.test(basename(path));
    for (const part of parts)
      cpSync(join(repository, part), join(this.folder, part), { recursive: true, filter: isSource });
    for (const name of readdirSync(join(repository, 'node_modules')))
      if (name !== '@kiln') symlinkSync(join(repository, 'node_modules', name), join(modules, name));
    for (const floor of parts.map((part) => part.split('/')[0]!).filter((one, i, all) => all.indexOf(one) === i)) {
      if (floor !== 'libs' && floor !== 'services') continue;
      for (const name of readdirSync(join(this.folder, floor)))
        symlinkSync(join(this.folder, floor, name), join(modules, '@kiln', name));
    }
    writeFileSync(join(this.folder, 'package.json'), '{"type":"module"}');
  }

  /** @returns what takes the fault out again. @throws Error when the fault does not fit its file any more: it is to be rewritten beside the code. */
  plant({ name, file, from, to }: PlantedFault): () => void {
    const path = join(this.folder, file);
    const source = readFileSync(path, 'utf8');
    const times = source.split(from).length - 1;
    if (times !== 1) throw new Error(`fault "${name}": "${from}" stands ${times} times in ${file}, want once`);
    writeFileSync(
      path,
      source.replace(from, () => to),
    );
    return () => writeFileSync(path, source);
  }

  /** Runs Node on a file of the copy, from source. */
  run(args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Ended> {
    const child = spawn(process.execPath, ['--conditions=source', ...args], {
      cwd: this.folder,
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let said = '';
    const read = (chunk: Buffer): void => void (said += chunk.toString());
    child.stdout.on('data', read);
    child.stderr.on('data', read);
    return new Promise((done) => child.on('close', (code) => done({ code, said })));
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** Whether a program failed because the fault keeps sources from loading: that proves nothing. */
export function didNotLoad(said: string): boolean {
  return /SyntaxError|ERR_MODULE_NOT_FOUND|No test files found|Failed Suites/.test(said);
}
