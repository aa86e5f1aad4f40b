import { Refusal, type Labels } from './labels.ts';

/** One condition of a selector. */
export interface OracleMatcher {
  readonly name: string;
  readonly op: '=' | '!=' | '=~' | '!~';
  readonly value: string;
}

const NAME = /^[a-zA-Z_:][a-zA-Z0-9_:.]*/;
const STRING = /^(?:"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|`[^`]*`)/s;

/** `{a="b", c!~"d"}` with an optional metric name in front (§5.1). @throws Refusal */
export function parseSelector(text: string): OracleMatcher[] {
  let rest = text.trim();
  const fail = (what: string): Refusal => new Refusal('invalid_selector', `${what} in selector ${text}`);
  const take = (pattern: RegExp): string | undefined => {
    const found = pattern.exec(rest)?.[0];
    if (found !== undefined) rest = rest.slice(found.length).trim();
    return found;
  };
  if (rest === '') throw fail('nothing');
  const matchers: OracleMatcher[] = [];
  const metric = take(NAME);
  if (metric !== undefined) matchers.push({ name: '__name__', op: '=', value: metric });
  if (rest === '' && metric !== undefined) return matchers;
  if (take(/^\{/) === undefined) throw fail('no brace');
  while (take(/^\}/) === undefined) {
    const quoted = take(STRING);
    const name = quoted === undefined ? take(NAME) : unquote(quoted);
    const op = take(/^(?:=~|!~|!=|=)/);
    const value = take(STRING);
    if (name === undefined || op === undefined || value === undefined) throw fail('a broken matcher');
    matchers.push({ name, op: op as OracleMatcher['op'], value: unquote(value) });
    if (take(/^,/) === undefined && !rest.startsWith('}')) throw fail('no comma');
  }
  if (rest !== '') throw fail('text behind the brace');
  return matchers;
}

function unquote(text: string): string {
  const inner = text.slice(1, -1);
  if (text[0] === '`') return inner;
  return JSON.parse(`"${inner.replaceAll(/\\'/g, "'").replaceAll(/(?<!\\)"/g, '\\"')}"`) as string;
}

/** Whether labels satisfy all conditions; an absent label is empty; regexes are anchored. */
export function matches(labels: Labels, matchers: readonly OracleMatcher[]): boolean {
  return matchers.every(({ name, op, value }) => {
    const found = labels.get(name) ?? '';
    if (op === '=') return found === value;
    if (op === '!=') return found !== value;
    return new RegExp(`^(?:${value})$`, 'su').test(found) === (op === '=~');
  });
}
