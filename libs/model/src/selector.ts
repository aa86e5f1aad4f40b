import { KilnError } from './errors.ts';
import {
  createMatcher,
  DEFAULT_REGEX_LIMITS,
  type Condition,
  type Matcher,
  type MatchOp,
  type RegexLimits,
} from './matcher.ts';
import { readQuoted, SelectorCursor } from './selector-cursor.ts';

/**
 * Reads a Prometheus vector selector: `{}`, `{a="b",c!="d",e=~"re",f!~"re",}`, `name{…}`, `name`, quoted UTF-8 names
 * `{"a.b"="x"}`, a quoted metric name `{"a.b"}`. A metric name is the matcher `__name__="…"`. Strings are those of PromQL: double
 * or single quotes with Go's escapes, backticks without any. `#` starts a comment.
 * @throws KilnError `invalid_argument` with the position, what was found and what was expected; the empty string is an error.
 */
export function parseSelector(text: string, limits: RegexLimits = DEFAULT_REGEX_LIMITS): Matcher[] {
  return readConditions(text).map(({ name, op, value }) => createMatcher(name, op, value, limits));
}

/**
 * The conditions of a selector as written, regexes unread: what needs no engine for them, and so does not load one.
 * @throws KilnError as `parseSelector`, but not for a regex.
 */
export function readConditions(text: string): Condition[] {
  const cursor = new SelectorCursor(text);
  const conditions: Condition[] = [];
  cursor.skipSpace();
  if (cursor.atEnd())
    throw new KilnError('invalid_argument', 'empty selector: expected "{}" or a selector such as {service_name="api"}');
  const metric = cursor.identifier(METRIC_NAME);
  if (metric !== undefined) conditions.push({ name: '__name__', op: '=', value: metric });
  cursor.skipSpace();
  if (metric === undefined || !cursor.atEnd()) {
    cursor.expect('{', metric === undefined ? 'a metric name or "{"' : '"{" or the end');
    readBraces(cursor, conditions, metric !== undefined);
  }
  cursor.skipSpace();
  if (!cursor.atEnd()) cursor.fail('the end of the selector');
  return conditions;
}

/** The selector as text that `parseSelector` reads back to equal matchers. */
export function formatSelector(conditions: readonly Condition[]): string {
  const parts = conditions.map(
    ({ name, op, value }) => `${PLAIN_LABEL.test(name) ? name : quote(name)}${op}${quote(value)}`,
  );
  return `{${parts.join(',')}}`;
}

const METRIC_NAME = /[a-zA-Z_:][a-zA-Z0-9_:]*/y;
const LABEL_NAME = /[a-zA-Z_][a-zA-Z0-9_]*/y;
const PLAIN_LABEL = /^[a-zA-Z_][a-zA-Z0-9_]*$/;

/** After `{`: conditions separated by commas, one more comma allowed behind the last, then `}`. */
function readBraces(cursor: SelectorCursor, conditions: Condition[], named: boolean): void {
  let hasName = named;
  for (let first = true; ; first = false) {
    cursor.skipSpace();
    if (cursor.take('}')) return;
    const from = cursor.position;
    const plain = cursor.identifier(LABEL_NAME);
    const name = plain ?? readQuoted(cursor, first ? 'a label name or "}"' : 'a label name');
    cursor.skipSpace();
    const op = readOp(cursor);
    if (op === undefined) {
      if (plain !== undefined || !/^[,}]?$/.test(cursor.peek())) cursor.fail('"=", "!=", "=~" or "!~"');
      if (hasName) cursor.failAt(from, 'a second metric name', 'one at most');
      hasName = true;
      conditions.push({ name: '__name__', op: '=', value: name });
    } else {
      cursor.skipSpace();
      conditions.push({ name, op, value: readQuoted(cursor, 'a quoted string') });
    }
    cursor.skipSpace();
    if (!cursor.take(',') && cursor.peek() !== '}') cursor.fail('"," or "}"');
  }
}

function readOp(cursor: SelectorCursor): MatchOp | undefined {
  for (const op of ['=~', '!~', '!=', '='] as const) if (cursor.take(op)) return op;
  return undefined;
}

function quote(text: string): string {
  let out = '"';
  for (const char of text) {
    const code = char.charCodeAt(0);
    if (char === '"' || char === '\\') out += `\\${char}`;
    else if (char === '\n') out += '\\n';
    else if (code < 32 || code === 127) out += `\\x${code.toString(16).padStart(2, '0')}`;
    else out += char;
  }
  return `${out}"`;
}
