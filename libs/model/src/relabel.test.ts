import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { KilnError } from './errors.ts';
import { md5 } from './md5.ts';
import { RelabelRules } from './relabel.ts';

type Labels = Readonly<Record<string, string>>;

/** The labels after the rules, undefined when they drop the series. */
function relabelled(labels: Labels, ...rules: readonly Record<string, unknown>[]): Labels | undefined {
  const map = new Map(Object.entries(labels));
  return RelabelRules.read(rules, 'rules').apply(map) ? Object.fromEntries(map) : undefined;
}

describe('a relabelling rule', () => {
  const abc = { a: 'foo', b: 'bar', c: 'baz' };

  it('replaces by default: $1 of the joined sources goes to the target', () => {
    const rule = { source_labels: ['a', 'b'], separator: '-', target_label: 'd' };
    expect(relabelled(abc, rule)).toEqual({ ...abc, d: 'foo-bar' });
    expect(relabelled(abc, { source_labels: ['a', 'no'], target_label: 'd' })).toEqual({ ...abc, d: 'foo;' });
    expect(relabelled(abc, { target_label: 'd', replacement: 'fixed' })).toEqual({ ...abc, d: 'fixed' });
  });

  it('replaces only where the regex matches the whole', () => {
    const rule = { source_labels: ['a'], regex: 'f', target_label: 'd', replacement: 'x' };
    expect(relabelled(abc, rule)).toEqual(abc);
    expect(relabelled(abc, { ...rule, regex: 'f|foo' })).toEqual({ ...abc, d: 'x' });
    expect(relabelled({ a: 'x\ny' }, { ...rule, regex: 'x.y' })).toEqual({ a: 'x\ny', d: 'x' });
  });

  it('deletes the target by an empty replacement', () => {
    expect(relabelled(abc, { source_labels: ['a'], target_label: 'b', replacement: '' })).toEqual({
      a: 'foo',
      c: 'baz',
    });
    expect(relabelled(abc, { source_labels: ['no'], target_label: 'b' })).toEqual({ a: 'foo', c: 'baz' });
  });

  it('fills in groups by number and name; what is no group is empty, a longer name is another one', () => {
    const rule = { source_labels: ['a'], regex: '(?P<head>f)(o)(o)', target_label: 'd' };
    const filled = (replacement: string) => relabelled({ a: 'foo' }, { ...rule, replacement })?.['d'];
    expect(filled('${1}x$2')).toBe('fxo');
    expect(filled('$1x')).toBe(undefined);
    expect(filled('$head.${head}')).toBe('f.f');
    expect(filled('$$1 $ $9 ${x')).toBe('$1 $  ${x');
    expect(filled('$0')).toBe('foo');
    expect(relabelled({ a: 'foo' }, { ...rule, target_label: 'is_${1}_$2', replacement: 'y' })).toEqual({
      a: 'foo',
      is_f_o: 'y',
    });
    expect(relabelled({ a: 'foo' }, { ...rule, target_label: '$9', replacement: 'y' })).toEqual({ a: 'foo' });
  });

  it('keeps and drops', () => {
    expect(relabelled(abc, { action: 'drop', source_labels: ['a'], regex: 'f.*' })).toBe(undefined);
    expect(relabelled(abc, { action: 'drop', source_labels: ['a'], regex: 'f' })).toEqual(abc);
    expect(relabelled(abc, { action: 'keep', source_labels: ['a'], regex: 'f.*' })).toEqual(abc);
    expect(relabelled(abc, { action: 'Keep', source_labels: ['no'], regex: '.+' })).toBe(undefined);
    expect(relabelled({ a: 'x', b: 'x' }, { action: 'dropequal', source_labels: ['a'], target_label: 'b' })).toBe(
      undefined,
    );
    expect(relabelled(abc, { action: 'dropequal', source_labels: ['a'], target_label: 'b' })).toEqual(abc);
    expect(relabelled(abc, { action: 'keepequal', source_labels: ['a'], target_label: 'b' })).toBe(undefined);
    expect(relabelled(abc, { action: 'keepequal', source_labels: ['no'], target_label: 'none' })).toEqual(abc);
  });

  it('maps, drops and keeps names', () => {
    const meta = { m_a: '1', m_b: '2', c: '3' };
    expect(relabelled(meta, { action: 'labelmap', regex: 'm_(.+)' })).toEqual({ ...meta, a: '1', b: '2' });
    expect(relabelled(meta, { action: 'labelmap', regex: 'm_(.)', replacement: 'z' })).toEqual({ ...meta, z: '2' });
    expect(relabelled(meta, { action: 'labeldrop', regex: 'm_.*' })).toEqual({ c: '3' });
    expect(relabelled(meta, { action: 'labelkeep', regex: 'm_.*' })).toEqual({ m_a: '1', m_b: '2' });
  });

  it('changes case code point by code point', () => {
    const cased = (action: string, a: string) =>
      relabelled({ a }, { action, source_labels: ['a'], target_label: 'b' })?.['b'];
    expect(cased('lowercase', 'FOO ÄΣ')).toBe('foo äσ');
    expect(cased('uppercase', 'foo äß')).toBe('FOO Äß');
    expect(cased('lowercase', 'İ')).toBe('i');
  });

  it('hashes as Prometheus does: the last 8 bytes of the MD5, modulo', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', maxLength: 200 }), fc.integer({ min: 1 }), (a, modulus) => {
        const digest = createHash('md5').update(a).digest();
        const want = String(digest.readBigUInt64BE(8) % BigInt(modulus));
        const rule = { action: 'hashmod', source_labels: ['a'], target_label: 'shard', modulus };
        expect(relabelled(a === '' ? {} : { a }, rule)?.['shard']).toBe(want);
      }),
    );
  });

  it('sees what the rules before it made', () => {
    const tmp = { source_labels: ['a'], regex: '(.).*', target_label: 'tmp' };
    const drop = { action: 'drop', source_labels: ['tmp'], regex: 'f' };
    expect(relabelled(abc, tmp, drop)).toBe(undefined);
    expect(relabelled(abc, tmp, { action: 'labeldrop', regex: 'tmp' })).toEqual(abc);
  });

  it('does not fill memory by doubling', () => {
    const double = { source_labels: ['a', 'a'], target_label: 'a' };
    expect(() => relabelled({ a: 'x' }, ...Array.from({ length: 60 }, () => double))).toThrow(
      /a relabelling rule makes label "a" \d+ characters long, allowed are 65536/,
    );
  });
});

describe('a bad rule', () => {
  const refused = (rule: unknown, want: string) => {
    const read = () => RelabelRules.read([{ action: 'labeldrop', regex: 'x' }, rule], 'rules');
    expect(read).toThrow(KilnError);
    expect(read).toThrow(want);
  };

  it('is refused with its number, the field and what is allowed', () => {
    refused('drop', 'rules, rule 2 must hold fields by name');
    refused({ regexp: 'x' }, 'rules, rule 2, field regexp is unknown: known are action, source_labels');
    refused({ action: 'delete' }, 'rules, rule 2, field action is "delete", must be one of replace, keep, drop');
    refused({ action: 'drop', source_labels: 'a' }, 'rules, rule 2, field source_labels must be a list of label names');
    refused({ action: 'drop', regex: ['a'] }, 'rules, rule 2, field regex must be a text');
    refused({ source_labels: ['a'] }, 'rules, rule 2, field target_label is missing: action replace needs it');
    refused(
      { action: 'hashmod', target_label: 'a' },
      'rules, rule 2, field modulus is "0", must be a whole number from 1',
    );
    refused(
      { action: 'labeldrop', target_label: 'a' },
      'rules, rule 2, field target_label means nothing to action labeldrop: it has regex',
    );
    refused(
      { action: 'lowercase', target_label: '$1' },
      'field target_label is "$1": only action replace takes references',
    );
    refused({ action: 'drop', regex: '(?=x)' }, 'invalid regex of rules, rule 2');
    refused(
      { action: 'drop', regex: 'x'.repeat(4097) },
      'regex of rules, rule 2 too long: 4097 characters, limit 4096',
    );
    refused({ action: 'drop', regex: '((x{100}){100}){100}' }, 'regex of rules, rule 2');
    expect(() => RelabelRules.read({}, 'rules')).toThrow('rules must be a list of rules');
    expect(() =>
      RelabelRules.read(
        Array.from({ length: 501 }, () => ({})),
        'rules',
      ),
    ).toThrow('rules has 501 rules, allowed are 500');
  });

  it('is none for saying a default, and equal rules are spelled equal', () => {
    const spelled = { separator: ';', action: 'LabelDrop', regex: 5, modulus: 0, source_labels: null };
    expect(RelabelRules.read([spelled], 'rules').tree).toEqual([{ action: 'labeldrop', regex: '5' }]);
    const { tree } = RelabelRules.read([{ target_label: 'b', source_labels: ['a'], regex: '(.*)' }], 'rules');
    expect(JSON.stringify(tree)).toBe('[{"action":"replace","source_labels":["a"],"target_label":"b"}]');
    expect(RelabelRules.read(tree, 'rules').tree).toEqual(tree);
  });
});

it('md5 is that of RFC 1321, for every length around a block', () => {
  for (let length = 0; length < 200; length++) {
    const bytes = new Uint8Array(length).fill(length);
    expect(Buffer.from(md5(bytes)).toString('hex')).toBe(createHash('md5').update(bytes).digest('hex'));
  }
});
