import type { Pprof } from './pprof/pprof.ts';

/** Languages that are told apart, as contract/pyroscope.md §4.1 step 7 names them. */
export type Language = 'go' | 'java' | 'ruby' | 'nodejs' | 'dotnet' | 'python' | 'rust';

/** What a string of each language starts or ends with, in the contract's order. */
const patterns: readonly (readonly [Language, readonly Uint8Array[]])[] = (
  [
    ['go', ['.go', '/usr/local/go/']],
    ['java', ['java/', 'sun/']],
    ['ruby', ['.rb', 'gems/']],
    ['nodejs', ['./node_modules/', '.js']],
    ['dotnet', ['System.', 'Microsoft.']],
    ['python', ['.py']],
    ['rust', ['main.rs', 'core.rs']],
  ] as const
).map(([language, texts]) => [language, texts.map((text) => new TextEncoder().encode(text))]);

/** Bytes that some pattern starts and ends with: most strings are ruled out by theirs. */
const first = new Uint8Array(256);
const last = new Uint8Array(256);
for (const [, texts] of patterns) {
  for (const text of texts) {
    first[text[0]!] = 1;
    last[text.at(-1)!] = 1;
  }
}

/** The values of the label `pyroscope_spy` that say which language they watch. */
const spies: Readonly<Record<string, Language>> = {
  gospy: 'go',
  javaspy: 'java',
  rbspy: 'ruby',
  nodespy: 'nodejs',
  dotnetspy: 'dotnet',
  pyspy: 'python',
  'pyroscope-rs': 'rust',
};

/** The language of the profiled program: by the spy, else by the first string that tells. */
export function languageOf(pprof: Pprof, spy: string): Language | undefined {
  if (Object.hasOwn(spies, spy)) return spies[spy];
  const { bytes, strings } = pprof;
  for (let row = 1; row < strings.length; row++) {
    const from = strings.from[row]!;
    const to = strings.to[row]!;
    if (to === from || (first[bytes[from]!]! | last[bytes[to - 1]!]!) === 0) continue;
    for (const [language, texts] of patterns) {
      for (const text of texts) {
        if (to - from < text.length) continue;
        if (matches(bytes, from, text) || matches(bytes, to - text.length, text)) return language;
      }
    }
  }
  return undefined;
}

function matches(bytes: Uint8Array, at: number, text: Uint8Array): boolean {
  for (let i = 0; i < text.length; i++) if (bytes[at + i] !== text[i]) return false;
  return true;
}
