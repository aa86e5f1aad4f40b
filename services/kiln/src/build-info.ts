import { readFileSync } from 'node:fs';
import type { BuildInfo } from '@kiln/nest';
import { programRoot } from './program-root.ts';

/** The version is the one of package.json; revision and branch are read from .git where the program runs from a clone. */
export function buildInfo(): BuildInfo {
  const { version } = JSON.parse(readFileSync(new URL('package.json', programRoot), 'utf8')) as { version: string };
  return { version, ...gitHead(programRoot), runtime: `node${process.versions.node}` };
}

function gitHead(root: URL): { revision: string; branch: string } {
  const read = (path: string): string | undefined => {
    try {
      return readFileSync(new URL(`.git/${path}`, root), 'utf8').trim();
    } catch {
      return undefined;
    }
  };
  const head = read('HEAD') ?? '';
  if (!head.startsWith('ref: ')) return { revision: head, branch: '' };
  const ref = head.slice(5);
  const packed = read('packed-refs')
    ?.split('\n')
    .find((line) => line.endsWith(` ${ref}`));
  return { revision: read(ref) ?? packed?.split(' ', 1)[0] ?? '', branch: ref.replace('refs/heads/', '') };
}
