import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { expect, test } from 'vitest';
import { ModuleNames } from './module-names.ts';

test('a function of a bundle has the module and the line it was compiled to', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'kiln-modules-'));
  try {
    const lines = [
      'import x;',
      '// libs/a/dist/a.js',
      'function a() {}',
      '// not a module',
      '// node_modules/@b/c/d.cjs',
      '',
      'function d() {}',
    ];
    await writeFile(join(folder, 'bundle.js'), lines.join('\n'));
    const root = `${pathToFileURL(folder).href}/`;
    const names = new ModuleNames(root);
    const at = (line: number): unknown => names.placeOf(`${root}bundle.js`, line);
    expect(at(1)).toEqual({ file: 'bundle.js', line: 1 });
    expect(at(3)).toEqual({ file: 'libs/a/dist/a.js', line: 1 });
    expect(at(7)).toEqual({ file: 'node_modules/@b/c/d.cjs', line: 2 });
  } finally {
    await rm(folder, { recursive: true });
  }
});

test('what is no file of the program keeps its name, and what was removed meanwhile its path', () => {
  const names = new ModuleNames('file:///opt/kiln/');
  expect(names.placeOf('node:fs', 7)).toEqual({ file: 'node:fs', line: 7 });
  expect(names.placeOf('file:///home/ann/secret/tool.js', 7)).toEqual({ file: 'tool.js', line: 7 });
  expect(names.placeOf('file:///opt/kiln/libs/gone.js', 7)).toEqual({ file: 'libs/gone.js', line: 7 });
});
