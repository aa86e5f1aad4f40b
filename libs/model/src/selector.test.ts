import fc from 'fast-check';
import { describe, expect, test, vi } from 'vitest';
import { KilnError } from './errors.ts';
import { createMatcher, type MatchOp } from './matcher.ts';
import { formatSelector, parseSelector } from './selector.ts';

vi.setConfig({ testTimeout: 60_000 });

const LONG = process.env['KILN_LONG'] === '1';

describe('what a selector means', () => {
  const reads = (text: string, want: [string, MatchOp, string][]): void => {
    expect(parseSelector(text).map(({ name, op, value }) => [name, op, value])).toEqual(want);
  };

  test('every operator, with and without space, with a comma behind the last', () => {
    reads('{}', []);
    reads('  { } ', []);
    reads('{a="b",c!="d",e=~"re",f!~"re"}', [
      ['a', '=', 'b'],
      ['c', '!=', 'd'],
      ['e', '=~', 're'],
      ['f', '!~', 're'],
    ]);
    reads('{ a = "b" , c\t!=\n"d", }', [
      ['a', '=', 'b'],
      ['c', '!=', 'd'],
    ]);
    reads('{a="x", # a comment\n b="y"}', [
      ['a', '=', 'x'],
      ['b', '=', 'y'],
    ]);
  });

  test('a metric name is the label __name__', () => {
    reads('process_cpu', [['__name__', '=', 'process_cpu']]);
    reads('process_cpu{}', [['__name__', '=', 'process_cpu']]);
    reads('process_cpu:cpu:nanoseconds:cpu:nanoseconds{a="b"}', [
      ['__name__', '=', 'process_cpu:cpu:nanoseconds:cpu:nanoseconds'],
      ['a', '=', 'b'],
    ]);
    reads('{"a.b"}', [['__name__', '=', 'a.b']]);
    reads('{a="b","a.b"}', [
      ['a', '=', 'b'],
      ['__name__', '=', 'a.b'],
    ]);
  });

  test('quoted names and the three kinds of strings', () => {
    reads('{"a.b"="x",\'größe\'="y"}', [
      ['a.b', '=', 'x'],
      ['größe', '=', 'y'],
    ]);
    reads(String.raw`{a="\"\\\n\t\x41\101\u00e9\U0001F600é"}`, [['a', '=', '"\\\n\tAAé😀é']]);
    reads(String.raw`{a='\'"'}`, [['a', '=', '\'"']]);
    reads('{a=`\\d"\'\n`}', [['a', '=', '\\d"\'\n']]);
    reads(String.raw`{a="\xc3\xa9"}`, [['a', '=', 'é']]);
  });

  test('a label name may be a word of PromQL', () => {
    reads('{by="x",on="y",sum="z"}', [
      ['by', '=', 'x'],
      ['on', '=', 'y'],
      ['sum', '=', 'z'],
    ]);
  });
});

test('errors name the position, what was found and what was expected', () => {
  const fails = (text: string, want: RegExp): void => {
    const error = refusal(() => parseSelector(text));
    expect(error).toBeInstanceOf(KilnError);
    expect(error).toMatchObject({ code: 'invalid_argument', message: expect.stringMatching(want) });
  };
  fails('', /empty selector/);
  fails('  # only a comment', /empty selector/);
  fails('{', /character 2: found the end, expected a label name or "}"/);
  fails('{,}', /character 2: found ",}", expected a label name or "}"/);
  fails('{a}', /character 3: found "}", expected "=", "!=", "=~" or "!~"/);
  fails('{a=}', /character 4: found "}", expected a quoted string/);
  fails('{a=b}', /character 4: .*expected a quoted string/);
  fails('{a="b"', /expected "," or "}"/);
  fails('{a="b" c="d"}', /character 8: found "c=.*expected "," or "}"/);
  fails('{a="b",,}', /expected a label name/);
  fails('{a="b"} x', /character 9: found "x", expected the end of the selector/);
  fails('{a="b', /character 4: found a string without its closing "/);
  fails('{a="b\n"}', /without its closing "/);
  fails('{a=`b', /without its closing `/);
  fails(String.raw`{a="\q"}`, /character 5: .*an escape of Go/);
  fails(String.raw`{a="\'"}`, /an escape of Go/);
  fails(String.raw`{a="\x4"}`, /2 hexadecimal digits/);
  fails(String.raw`{a="\ud800"}`, /a Unicode code point/);
  fails(String.raw`{a="\U00110000"}`, /a Unicode code point/);
  fails(String.raw`{a="\xff"}`, /not UTF-8/);
  fails('process_cpu{"other"}', /character 13: found a second metric name/);
  fails('{a=~"("}', /invalid regex of label "a"/);
  fails('{a=~"x("}', /missing closing \): `x\(`$/);
  fails('{a=~"x)|(y"}', /invalid regex/);
  fails('{a=~"(?<!x)y"}', /invalid regex/);
  fails('{a=~"(?=x)y"}', /invalid regex/);
  fails(`{a=~"${'x'.repeat(4097)}"}`, /4097 characters, limit 4096 \(max_regex_length\)/);
  fails('{a=~"(?:abc[def]ghijklm){999}"}', /instructions.*limit 10000 \(max_regex_program\)/);
  fails('{a=~"(?:(?:(?:x{100}){100}){100}){100}"}', /invalid regex/);
});

test('regexes match the whole value, in RE2 syntax, newlines included', () => {
  const matches = (op: MatchOp, value: string, found: string, want: boolean): void => {
    expect(createMatcher('l', op, value).matches(found), `${value} ${op} ${found}`).toBe(want);
  };
  matches('=~', 'a', 'a', true);
  matches('=~', 'a', 'ab', false);
  matches('=~', 'a|ab', 'ab', true);
  matches('!~', 'a.*', 'b', true);
  matches('!~', 'a.*', 'abc', false);
  matches('=~', 'a.b', 'a\nb', true);
  matches('=~', '(?i)API-[0-9]+', 'api-12', true);
  matches('=~', '', '', true);
  matches('=~', '.+', '', false);
  matches('=~', '\\p{Lu}.', 'Éa', true);
  matches('=~', '.', '😀', true);
  matches('=', '', '', true);
  matches('!=', '', 'x', true);
});

test('a regex that would run for ever by backtracking answers at once', () => {
  const start = process.cpuUsage();
  expect(createMatcher('l', '=~', '(a*)*(a*)*(a|aa)+b').matches('a'.repeat(2048))).toBe(false);
  expect(createMatcher('l', '=~', '(?:a?){999}a{999}').matches('a'.repeat(999))).toBe(true);
  // Of CPU time: others may keep the machine busy.
  expect(process.cpuUsage(start).user).toBeLessThan(3_000_000);
});

function refusal(act: () => unknown): unknown {
  try {
    act();
  } catch (error) {
    return error;
  }
  return undefined;
}

const text = fc.string({ unit: 'grapheme', maxLength: 12 });
const matcher = fc.record({
  name: text.filter((name) => name !== ''),
  op: fc.constantFrom<MatchOp>('=', '!='),
  value: fc.oneof(text, fc.string({ unit: 'binary', maxLength: 8 })),
});

test('what is formatted is read back, any name and any value', () => {
  fc.assert(
    fc.property(fc.array(matcher, { maxLength: 5 }), (matchers) => {
      const plain = parseSelector(formatSelector(matchers)).map(({ name, op, value }) => ({ name, op, value }));
      expect(plain).toEqual(matchers);
    }),
    { numRuns: LONG ? 2000 : 300 },
  );
});

test('no text crashes or stalls the reader: it is read, or refused as invalid_argument', () => {
  const piece = fc.constantFrom(
    '{',
    '}',
    '"',
    "'",
    '`',
    ',',
    '=',
    '!',
    '~',
    '=~"',
    '!="',
    'a',
    '__name__',
    ':',
    '\\',
    '\\x',
    '\\u00',
    '(',
    ')',
    '*',
    '{9}',
    '#',
    '\n',
    ' ',
    '[',
    '|',
    'é',
    '\ud800',
    '\0',
  );
  const selector = fc.oneof(
    fc.array(piece, { maxLength: 30 }).map((pieces) => pieces.join('')),
    fc.array(piece, { maxLength: 20 }).map((pieces) => `{a=~"${pieces.join('')}"}`),
    fc.string({ unit: 'binary', maxLength: 60 }),
  );
  let read = 0;
  fc.assert(
    fc.property(selector, (given) => {
      const start = performance.now();
      try {
        for (const { matches } of parseSelector(given)) matches('some value');
        read++;
      } catch (error) {
        if (!(error instanceof KilnError) || error.code !== 'invalid_argument') throw error;
      }
      expect(performance.now() - start).toBeLessThan(2000);
    }),
    { numRuns: LONG ? 10_000 : 1000 },
  );
  expect(read).toBeGreaterThan(0);
});
