import { RE2JS } from 're2js';
import { KilnError } from './errors.ts';

export type MatchOp = '=' | '!=' | '=~' | '!~';

/** One condition on a label, as written. */
export interface Condition {
  readonly name: string;
  readonly op: MatchOp;
  /** The text to compare with, or the regex. */
  readonly value: string;
}

/** A condition that can be asked. An absent label is matched as the empty string. */
export interface Matcher extends Condition {
  readonly matches: (value: string) => boolean;
}

/** Bounds of a regex. Matching is linear in the value either way; these bound the factor. */
export interface RegexLimits {
  /** UTF-16 code units of the pattern. */
  readonly maxRegexLength: number;
  /** Instructions of the compiled pattern: `(?:abc){1000}` is short and has 3,000. */
  readonly maxRegexProgram: number;
}

export const DEFAULT_REGEX_LIMITS: RegexLimits = { maxRegexLength: 4096, maxRegexProgram: 10_000 };

/**
 * A matcher as a Prometheus selector means it: regexes have RE2 syntax, match the whole value, and `.` matches a newline too.
 * @throws KilnError `invalid_argument` for a regex that does not compile, or is above a limit, which the message names.
 */
export function createMatcher(
  name: string,
  op: MatchOp,
  value: string,
  limits: RegexLimits = DEFAULT_REGEX_LIMITS,
): Matcher {
  const test = op === '=~' || op === '!~' ? testerOf(name, value, limits) : (found: string): boolean => found === value;
  return { name, op, value, matches: op === '=' || op === '=~' ? test : (found) => !test(found) };
}

/** The test remembers its verdicts: a query asks about the same few values once per series. */
function testerOf(name: string, pattern: string, limits: RegexLimits): (value: string) => boolean {
  const regex = compileRegex(`regex of label ${quoted(name)}`, pattern, limits);
  const verdicts = new Map<string, boolean>();
  return (value) => {
    let verdict = verdicts.get(value);
    if (verdict === undefined) {
      verdict = regex.testExact(value);
      if (verdicts.size < MAX_VERDICTS) verdicts.set(value, verdict);
    }
    return verdict;
  };
}

const MAX_VERDICTS = 100_000;

/**
 * A regex of RE2 syntax whose `.` matches a newline too. It runs in time linear in the text.
 * @param what names it in sentences. @throws KilnError `invalid_argument` when it does not compile or is above a limit, which the message names.
 */
export function compileRegex(what: string, pattern: string, limits: RegexLimits = DEFAULT_REGEX_LIMITS): RE2JS {
  if (pattern.length > limits.maxRegexLength) {
    throw new KilnError(
      'invalid_argument',
      `${what} too long: ${pattern.length} characters, limit ${limits.maxRegexLength} (max_regex_length)`,
    );
  }
  const regex = compile(what, pattern);
  const size = regex.programSize();
  if (size > limits.maxRegexProgram) {
    throw new KilnError(
      'invalid_argument',
      `${what} too large: ${size} instructions when its repetitions are written out, limit ${limits.maxRegexProgram} (max_regex_program)`,
    );
  }
  return regex;
}

function compile(what: string, pattern: string): RE2JS {
  try {
    return RE2JS.compile(pattern, RE2JS.DOTALL);
  } catch (error) {
    // With DOTALL the library writes its own prefix before the pattern.
    const message = error instanceof Error ? error.message.replaceAll('`(?s)', '`') : String(error);
    const reason = message.replace(/^error parsing regexp: /, '');
    throw new KilnError('invalid_argument', `invalid ${what}: ${reason.slice(0, 300)}`, { cause: error });
  }
}

function quoted(text: string): string {
  return JSON.stringify(text.length > 100 ? `${text.slice(0, 100)}…` : text);
}
