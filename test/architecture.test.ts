import { existsSync, globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';

/** The floors of ARCHITECTURE.md, ground first. A package imports only packages of lower floors: never sideways, never up. */
const floors: readonly (readonly string[])[] = [
  ['bytes', 'model', 'async', 'telemetry', 'disk', 'config'],
  ['formats', 'block', 'partition-log', 'objstore', 'rpc', 'threads'],
  ['catalog', 'query', 'tenant'],
  ['nest'],
  ['distributor', 'ingester', 'querier', 'query-frontend', 'compactor', 'ui'],
  ['kiln'],
];

/** The engine that also runs in a browser tab: nothing of Node. */
const runsInBrowser = new Set(['bytes', 'model', 'async', 'formats', 'block', 'query', 'ui']);

/** Files that may ask the real world for time, chance, environment or a timer; everybody else is handed them. */
const realWorld = new Map([
  ['libs/async/src/system-clock.ts', 'makes the real clock'],
  ['libs/nest/src/port.ts', 'the end of a turn of the loop'],
  ['services/ui/src/main.tsx', 'the clock of the page'],
  ['services/kiln/src/main.ts', 'the screen and the environment'],
  ['services/kiln/src/commands/start.ts', 'seeds the roles'],
  ['services/kiln/src/commands/log.ts', 'names what it writes'],
]);

/** Files outside libs/nest that may know the framework: what it calls, and what wires it. */
const isEdge = (file: string): boolean => /^services\/[^/]+\/src\/[^/]+\.(module|http|grpc)\.ts$/.test(file);

const root = join(import.meta.dirname, '..');
const read = (path: string): string => readFileSync(join(root, path), 'utf8');
const glob = (pattern: string): string[] => globSync(pattern, { cwd: root }).toSorted((a, b) => (a < b ? -1 : 1));

const floorOf = new Map(floors.flatMap((names, floor) => names.map((name) => [name, floor] as const)));
const packages = glob('{libs,services}/*/package.json').map((file) => file.slice(0, -'/package.json'.length));

interface Source {
  readonly file: string;
  /** Without comments and without the content of strings. */
  readonly code: string;
  readonly imports: readonly string[];
}

function sourcesOf(dir: string): Source[] {
  return glob(`${dir}/src/**/*.{ts,tsx}`)
    .filter((file) => !/\.(test|bench|test-support)\.tsx?$|\/test-support\/|\/gen\//.test(file))
    .map((file) => ({ file, text: read(file) }))
    .filter(({ text }) => !/from 'vitest'/.test(text))
    .map(({ file, text }) => ({ file, code: bare(text), imports: importsOf(text) }));
}

function importsOf(text: string): string[] {
  const fromClauses = text.matchAll(
    /^(?:import|export)\b[^'";]*?\bfrom\s+'([^']+)'|^import\s+'([^']+)'|\bimport\('([^']+)'\)/gm,
  );
  return [...fromClauses].map((match) => match[1] ?? match[2] ?? match[3]!);
}

function bare(text: string): string {
  return text
    .replaceAll(/\/\*[\s\S]*?\*\//g, '')
    .replaceAll(/(^|[^:'"`\\])\/\/.*$/gm, '$1')
    .replaceAll(/'(?:[^'\\\n]|\\.)*'/g, "''");
}

function packageOf(target: string): string {
  return target
    .split('/')
    .slice(0, target.startsWith('@') ? 2 : 1)
    .join('/');
}

interface Manifest {
  readonly name: string;
  readonly dependencies?: Readonly<Record<string, string>>;
}

const manifestOf = (dir: string): Manifest => JSON.parse(read(`${dir}/package.json`)) as Manifest;

test('every package has its floor, and every name on a floor is a package', () => {
  expect(packages.map((dir) => dir.split('/')[1]!).toSorted()).toEqual([...floorOf.keys()].toSorted());
  const { references } = JSON.parse(read('tsconfig.json')) as { references: { path: string }[] };
  expect(references.map(({ path }) => path).toSorted()).toEqual([...packages].toSorted());
});

test('ARCHITECTURE.md knows every package', () => {
  const text = read('ARCHITECTURE.md');
  expect([...floorOf.keys()].filter((name) => !text.includes(name))).toEqual([]);
});

describe.each(packages)('%s', (dir) => {
  const name = dir.split('/')[1]!;
  const { name: fullName, dependencies = {} } = manifestOf(dir);
  const sources = sourcesOf(dir);
  const uses = sources.flatMap(({ file, imports }) => imports.map((target) => ({ file, target })));
  const byName = uses.filter(({ target }) => !target.startsWith('.') && !target.startsWith('node:'));

  test('is named after its folder and has a README', () => {
    expect(fullName).toBe(`@kiln/${name}`);
    expect(existsSync(join(root, dir, 'README.md'))).toBe(true);
    expect(glob(`${dir}/src/{index.ts,main.tsx}`)).toHaveLength(1);
  });

  test('imports downwards', () => {
    const floor = floorOf.get(name)!;
    const ours = byName.filter(({ target }) => target.startsWith('@kiln/'));
    expect(ours.filter(({ target }) => !((floorOf.get(packageOf(target).slice(6)) ?? Infinity) < floor))).toEqual([]);
  });

  test('declares what it imports, and its references are its dependencies', () => {
    expect(byName.filter(({ target }) => !(packageOf(target) in dependencies))).toEqual([]);
    const { references = [] } = JSON.parse(read(`${dir}/tsconfig.json`)) as { references?: { path: string }[] };
    const referenced = references.map(({ path }) => `@kiln/${path.split('/').at(-1)}`).toSorted();
    expect(referenced).toEqual(
      Object.keys(dependencies)
        .filter((dependency) => dependency.startsWith('@kiln/'))
        .toSorted(),
    );
  });

  test('imports packages by name and files by path with their extension', () => {
    const paths = uses.filter(({ target }) => target.startsWith('.'));
    expect(
      paths.filter(({ target }) => !/\.(tsx?|css)$/.test(target) || /\/(libs|services)\/[\w-]+\//.test(target)),
    ).toEqual([]);
  });

  test('keeps the framework at the edge', () => {
    const outside = (file: string): boolean => name !== 'nest' && !isEdge(file);
    const framework = byName.filter(({ target }) => /^(@nestjs\/|rxjs|fastify|reflect-metadata)/.test(target));
    expect(framework.filter(({ file }) => outside(file))).toEqual([]);
    const decorated = sources.filter(({ code }) => /^\s*@[A-Z]\w*\(/m.test(code)).map(({ file }) => file);
    expect(decorated.filter(outside)).toEqual([]);
  });

  test('is handed time, chance and environment', () => {
    const asks =
      /\bDate\.now\(|\bMath\.random\b|\bprocess\.env\b|(?<![.\w])set(Timeout|Interval|Immediate)\(|\bnew Date\(\)/;
    const found = sources.filter(({ file, code }) => asks.test(code) && !realWorld.has(file)).map(({ file }) => file);
    expect(found).toEqual([]);
  });

  test('exports by name', () => {
    expect(sources.filter(({ code }) => /^export default\b/m.test(code)).map(({ file }) => file)).toEqual([]);
  });

  test('runs in a browser where it should', () => {
    if (!runsInBrowser.has(name)) return;
    expect(uses.filter(({ target }) => target.startsWith('node:'))).toEqual([]);
    expect(
      sources.filter(({ code }) => /\bBuffer\b|\bprocess\.|\b__dirname\b/.test(code)).map(({ file }) => file),
    ).toEqual([]);
    // What it stands on must run there too.
    const ours = byName.filter(({ target }) => target.startsWith('@kiln/'));
    expect(ours.filter(({ target }) => !runsInBrowser.has(target.slice(6)))).toEqual([]);
  });

  test('has a main only if it is kiln', () => {
    expect(glob(`${dir}/src/main.ts`).length).toBe(name === 'kiln' ? 1 : 0);
  });
});

test('no thread loads the framework: what a worker needs comes without the modules', () => {
  const loaded = new Map<string, string>();
  const load = (file: string, by: string): void => {
    if (loaded.has(file)) return;
    loaded.set(file, by);
    const code = read(file).replaceAll(/^(?:import|export) type\b[^;]*;/gm, '');
    for (const target of importsOf(code)) {
      if (target.startsWith('.')) load(join(file, '..', target), file);
      else if (target.startsWith('@kiln/')) load(entryOf(target), file);
      else loaded.set(target, file);
    }
  };
  const workers = glob('{libs,services}/*/src/**/*.worker.ts');
  expect(workers.length).toBeGreaterThanOrEqual(4);
  for (const worker of workers) load(worker, '');
  expect([...loaded].filter(([target]) => /^(@nestjs\/|rxjs|fastify|reflect-metadata)/.test(target))).toEqual([]);
});

/** The source that a name of ours stands for. */
function entryOf(target: string): string {
  const dir = packages.find((one) => one.endsWith(`/${packageOf(target).slice(6)}`))!;
  const { exports } = JSON.parse(read(`${dir}/package.json`)) as { exports: Record<string, { source: string }> };
  return join(dir, exports[`.${target.slice(packageOf(target).length)}`]!.source);
}

test('every file that may ask the real world exists', () => {
  expect([...realWorld.keys()].filter((file) => !existsSync(join(root, file)))).toEqual([]);
});
