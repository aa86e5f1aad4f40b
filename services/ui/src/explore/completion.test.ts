import fc from 'fast-check';
import { readConditions } from '@kiln/model';
import { describe, expect, it } from 'vitest';
import { behindName, complete, completionAt, type Completion } from './completion.ts';

/** `|` is the cursor. */
function at(marked: string): Completion | undefined {
  const cursor = marked.indexOf('|');
  return completionAt(marked.replace('|', ''), cursor);
}

function choose(marked: string, choice: string): string {
  const { text, cursor } = complete(marked.replace('|', ''), at(marked)!, choice);
  return `${text.slice(0, cursor)}|${text.slice(cursor)}`;
}

describe('what can be completed', () => {
  it('is a name behind a brace and behind a comma', () => {
    expect(at('{|}')).toMatchObject({ kind: 'name', typed: '', others: '{}' });
    expect(at('|')).toMatchObject({ kind: 'name', typed: '' });
    expect(at('{a="b", re|}')).toMatchObject({ kind: 'name', typed: 're', others: '{a="b"}' });
    expect(at('{re|="x", a="b"}')).toMatchObject({ kind: 'name', typed: 're', others: '{a="b"}', hasOperator: true });
    expect(at('{"a.b|"="x"}')).toMatchObject({ kind: 'name', typed: 'a.b' });
  });

  it('is an operator behind a name', () => {
    expect(at('{region |}')).toMatchObject({ kind: 'operator', label: 'region' });
  });

  it('is a value behind an operator, in quotes or not yet', () => {
    expect(at('{region=|}')).toMatchObject({ kind: 'value', label: 'region', typed: '' });
    expect(at('{region=~"eu|}')).toMatchObject({ kind: 'value', label: 'region', typed: 'eu', isWhole: false });
    expect(at('{region="eu|-west", a!="b"}')).toMatchObject({
      kind: 'value',
      typed: 'eu-west',
      others: '{a!="b"}',
      isWhole: true,
    });
  });

  it('is not misled by commas and braces in values', () => {
    expect(at('{a="x,}{", b="|"}')).toMatchObject({ kind: 'value', label: 'b', others: '{a="x,}{"}' });
    expect(at(String.raw`{a="\"", b="|"}`)).toMatchObject({ kind: 'value', label: 'b', others: String.raw`{a="\""}` });
  });

  it('is nothing behind the closing brace', () => {
    expect(at('{a="b"}|')).toBeUndefined();
  });
});

describe('a choice', () => {
  it('stands where it was typed, in quotes where they are needed, and the braces around it are closed', () => {
    expect(choose('{se|}', 'service_name')).toBe('{service_name|}');
    expect(choose('|', 'service_name')).toBe('{service_name|}');
    expect(choose('{ho|}', 'host.name')).toBe('{"host.name"|}');
    expect(choose('{a |}', '=~')).toBe('{a=~|}');
    expect(complete('{a}', behindName(at('{a|}')!), '=~')).toEqual({ text: '{a=~}', cursor: 4 });
    expect(choose('{a=|}', 'b')).toBe('{a="b"|}');
    expect(choose('{a="x|', 'xy')).toBe('{a="xy"|}');
    expect(choose('{a="x|y", b="c"}', 'z"')).toBe('{a="z\\""|, b="c"}');
  });

  it('of any value makes a selector that has exactly this value', () => {
    const value = fc.string({ unit: 'grapheme', maxLength: 20 });
    fc.assert(
      fc.property(value, value, (before, chosen) => {
        const text = complete('{z="1"}', completionAt('{z="1"}', 4)!, before).text;
        const changed = complete(text, completionAt(text, 4)!, chosen).text;
        expect(readConditions(changed)).toEqual([{ name: 'z', op: '=', value: chosen }]);
      }),
    );
  });
});

it('no text and no place in it are refused', () => {
  const piece = fc.constantFrom('{', '}', '"', "'", '`', ',', '=', '!', '~', 'a', '\\', ' ', 'é', '\ud800');
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 20 }), fc.nat(20), (pieces, cursor) => {
      const text = pieces.join('');
      const completion = completionAt(text, Math.min(cursor, text.length));
      if (completion === undefined) return;
      expect(completion.from).toBeLessThanOrEqual(completion.to);
      expect(completion.to).toBeLessThanOrEqual(text.length);
    }),
  );
});
