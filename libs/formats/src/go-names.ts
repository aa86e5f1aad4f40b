import { textOf } from './pprof/check.ts';
import type { Pprof } from './pprof/decode.ts';

const SHAPE = '[go.shape.';
const shapeBytes = new TextEncoder().encode(SHAPE);

/** What a string of each language starts or ends with, in the order of contract/pyroscope.md §4.1 step 7. */
const languages: readonly (readonly [string, readonly string[]])[] = [
  ['go', ['.go', '/usr/local/go/']],
  ['java', ['java/', 'sun/']],
  ['ruby', ['.rb', 'gems/']],
  ['nodejs', ['./node_modules/', '.js']],
  ['dotnet', ['System.', 'Microsoft.']],
  ['python', ['.py']],
  ['rust', ['main.rs', 'core.rs']],
];
const spies: Readonly<Record<string, string>> = {
  gospy: 'go',
  javaspy: 'java',
  rbspy: 'ruby',
  nodespy: 'nodejs',
  dotnetspy: 'dotnet',
  pyspy: 'python',
  'pyroscope-rs': 'rust',
};

/** Whether generic type parameters may have to be cut: the profile has some, and comes from Go by its spy or else by its first telling string. */
export function isGo(pprof: Pprof, spy: string): boolean {
  if (!hasShapes(pprof)) return false;
  const bySpy = spies[spy];
  if (bySpy !== undefined) return bySpy === 'go';
  for (let row = 0; row < pprof.strings.length; row++) {
    const text = textOf(pprof, row);
    for (const [language, patterns] of languages) {
      if (patterns.some((pattern) => text.startsWith(pattern) || text.endsWith(pattern))) return language === 'go';
    }
  }
  return false;
}

/** A Go function name without its shape parameters: `pkg.Map[go.shape.int].Get` → `pkg.Map.Get`. */
export function withoutShapes(name: string): string {
  let rest = name;
  for (let open = rest.indexOf(SHAPE); open >= 0; open = rest.indexOf(SHAPE, open)) {
    let depth = 0;
    let close = open;
    for (; close < rest.length; close++) {
      if (rest[close] === '[') depth++;
      else if (rest[close] === ']' && --depth === 0) break;
    }
    rest = rest.slice(0, open) + rest.slice(close + 1);
  }
  return rest;
}

/** Hot: once per byte that is "[". */
function hasShapes({ bytes }: Pprof): boolean {
  for (let at = bytes.indexOf(91); at >= 0; at = bytes.indexOf(91, at + 1)) {
    let i = 1;
    while (i < shapeBytes.length && bytes[at + i] === shapeBytes[i]) i++;
    if (i === shapeBytes.length) return true;
  }
  return false;
}
