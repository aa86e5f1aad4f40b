import { ConfigError } from './config-error.ts';
import { nearest } from './nearest.ts';
import { settingsOf, type Schema, type Setting } from './setting.ts';

/** A command line, sorted. */
export interface Flags {
  /** What was written for each setting, in order. */
  readonly given: ReadonlyMap<Setting, readonly string[]>;
  /** Everything that is no flag. */
  readonly rest: readonly string[];
  /** `--help` or `-h` was among them. */
  readonly help: boolean;
}

const FLAG = /^--?([a-zA-Z][^=]*)(?:=(.*))?$/s;

/**
 * Sorts a command line: `--a.b=v`, `--a.b v`, and one dash as well as two. A flag of true or false may stand alone. `--` ends the flags.
 * @throws ConfigError for an unknown flag, with the nearest known one, and for a missing value, also where the next flag stands in its place.
 */
export function parseFlags(schema: Schema, argv: readonly string[]): Flags {
  const known = new Map<string, Setting>();
  for (const one of settingsOf(schema)) for (const name of [one.key, ...one.aliases]) known.set(name, one);
  const given = new Map<Setting, string[]>();
  const rest: string[] = [];
  let help = false;
  for (let i = 0; i < argv.length; i++) {
    const word = argv[i]!;
    if (word === '--') {
      rest.push(...argv.slice(i + 1));
      break;
    }
    const match = FLAG.exec(word);
    if (match === null) {
      rest.push(word);
      continue;
    }
    const [, name, inline] = match as unknown as [string, string, string | undefined];
    const one = known.get(name);
    if (one === undefined) {
      if (name !== 'help' && name !== 'h') throw unknownFlag(name, known.keys());
      help = true;
      continue;
    }
    let text = inline;
    if (text === undefined) {
      const next = argv[i + 1];
      if (one.type === 'bool' && next !== 'true' && next !== 'false') text = 'true';
      else if (next === undefined) throw new ConfigError(`--${name} needs a value: ${one.meaning}`);
      else if (isFlag(next, known))
        throw new ConfigError(
          `--${name} needs a value, found ${next} (if that is it: --${name}=${next}): ${one.meaning}`,
        );
      else {
        text = next;
        i++;
      }
    }
    given.set(one, [...(given.get(one) ?? []), text]);
  }
  return { given, rest, help };
}

/** Whether a word is a flag that is known. */
function isFlag(word: string, known: ReadonlyMap<string, Setting>): boolean {
  const name = FLAG.exec(word)?.[1];
  return name !== undefined && known.has(name);
}

function unknownFlag(name: string, known: Iterable<string>): ConfigError {
  const near = nearest(name, known);
  return new ConfigError(
    `unknown flag ${name.length === 1 ? '-' : '--'}${name}: ${near === undefined ? 'see --help' : `did you mean --${near}?`}`,
  );
}
