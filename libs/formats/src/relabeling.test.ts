import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { RelabelRules, type Label } from '@kiln/model';
import type { Relabeling } from './labels.ts';
import { normalizePprof } from './normalize.ts';
import { decodePprof } from './pprof/decode.ts';
import { addStrings, draw, encodeMessage, type PprofMessage } from './test-support/pprof-message.ts';
import { limits, show, textAt } from './test-support/show-profile.ts';

const types = ['samples/count', 'cpu/nanoseconds'];

interface Given {
  readonly rules?: readonly unknown[];
  readonly sampleTypes?: readonly unknown[];
  readonly defaults?: Relabeling['defaults'];
  /** `name=value,…` of the push, beside the service. */
  readonly labels?: string;
}

function run(message: PprofMessage, { rules = [], sampleTypes = [], defaults = 'first', labels = '' }: Given) {
  return normalizePprof(decodePprof(encodeMessage(message)), {
    labels: pairs(`__name__=process_cpu,service_name=shop,${labels}`),
    limits,
    receivedMs: 1_800_000_000_000,
    relabeling: {
      rules: RelabelRules.read(rules, 'rules'),
      sampleTypes: RelabelRules.read(sampleTypes, 'sample type rules'),
      defaults,
    },
  });
}

/** All that is stored, by series. */
function stored(message: PprofMessage, given: Given): Record<string, string[]> {
  const { profile, moved } = run(message, given);
  return Object.assign({}, ...[profile, ...moved].map((one) => (one === undefined ? {} : show(one))));
}

function pairs(text: string): Label[] {
  const last = new Map(text.split(',').flatMap((pair) => (pair === '' ? [] : [pair.split('=') as [string, string]])));
  return [...last].map(([name, value]) => ({ name, value }));
}

/** Stacks with values, and the sample labels of each: `a;b 1 10` with `pool=x`. */
function labelled(lines: readonly (readonly [line: string, labels: string])[], valueTypes = types): PprofMessage {
  const message = draw(
    valueTypes,
    lines.map(([line]) => line),
  );
  for (const [i, [, labels]] of lines.entries()) {
    message.sample![i]!.label = pairs(labels).map(({ name, value }) => {
      const [key, str] = addStrings(message, name, value);
      return { key: key!, str: str! };
    });
  }
  return message;
}

const BASE = '__name__=process_cpu,service_name=shop';
const plain = draw(types, ['a 1 10', 'a;b 2 20']);
const both = { [BASE]: ['a 1 10', 'a;b 2 20'] };

describe('relabelling rules', () => {
  it('rewrite the labels of a push; what is stored is sorted, and its service and name are the new ones', () => {
    const rules = [
      { source_labels: ['service_name'], target_label: 'zone', replacement: 'z-$1' },
      { target_label: 'service_name', replacement: 'till' },
      { target_label: 'a', replacement: 'first' },
    ];
    const { profile } = run(plain, { rules });
    expect(show(profile!)).toEqual({
      '__name__=process_cpu,a=first,service_name=till,zone=z-shop': ['a 1 10', 'a;b 2 20'],
    });
    expect([profile!.service, profile!.name]).toEqual(['till', 'process_cpu']);
  });

  it('see the labels of samples, and series that become equal are one', () => {
    const message = labelled([
      ['a 1 10', 'pool=x,id=1'],
      ['a 2 20', 'pool=x,id=2'],
      ['b 3 30', 'pool=y,id=3'],
    ]);
    expect(stored(message, { rules: [{ action: 'labeldrop', regex: 'id' }] })).toEqual({
      '__name__=process_cpu,pool=x,service_name=shop': ['a 3 30'],
      '__name__=process_cpu,pool=y,service_name=shop': ['b 3 30'],
    });
  });

  it('drop a profile, or some of its series; nothing of what is dropped is in the symbol table', () => {
    const drop = { action: 'drop', source_labels: ['pool'], regex: 'x' };
    const message = labelled([
      ['secret;a 1 10', 'pool=x'],
      ['b 3 30', 'pool=y'],
      ['c 0 0', 'pool=x'],
    ]);
    const { profile, droppedSamples } = run(message, { rules: [drop] });
    expect(show(profile!)).toEqual({ '__name__=process_cpu,pool=y,service_name=shop': ['b 3 30'] });
    expect(droppedSamples).toEqual({ negative: 0, zero: 1, invalid: 0, relabelled: 1 });
    const { strings } = profile!.symbols;
    const texts = Array.from({ length: strings.length }, (_, row) => textAt(profile!.symbols, row));
    expect(texts).toContain('b');
    expect(texts).not.toContain('secret');
    const whole = run(plain, { rules: [{ action: 'drop', source_labels: ['service_name'], regex: 'shop' }] });
    expect([whole.profile, whole.moved, whole.droppedSamples.relabelled]).toEqual([undefined, [], 2]);
  });

  it('may move series of one profile to several services and names: each is a profile of its own', () => {
    const message = labelled([
      ['a 1 10', 'of=till'],
      ['b 2 20', ''],
      ['c 3 30', 'of=till'],
    ]);
    const rules = [
      { source_labels: ['of'], regex: '(.+)', target_label: 'service_name' },
      { action: 'labeldrop', regex: 'of' },
    ];
    const { profile, moved } = run(message, { rules });
    expect([profile, ...moved].map((one) => [one!.service, show(one!)])).toEqual([
      ['till', { '__name__=process_cpu,service_name=till': ['a 1 10', 'c 3 30'] }],
      ['shop', { [BASE]: ['b 2 20'] }],
    ]);
  });

  it('are checked by what they leave: too many labels, no name, no service', () => {
    const storing = (rules: unknown[]) => (): unknown => stored(plain, { rules });
    expect(storing([{ action: 'labeldrop', regex: '__name__' }])).toThrow('label __name__ is missing');
    expect(storing([{ target_label: '__name__', replacement: 'cpu\0[true,[]]' }])).toThrow('it holds a zero byte');
    expect(storing([{ action: 'labeldrop', regex: 'service_name' }])).toThrow('label service_name is missing');
    const many = Array.from({ length: 29 }, (_, i) => ({ target_label: `l${i}`, replacement: 'x' }));
    expect(storing(many)).toThrow('too many labels: 31 with those of the samples and the server, limit 30');
    expect(storing([...many, { action: 'labeldrop', regex: 'l[0-9]+' }])).not.toThrow();
  });

  it('see the default rules done before, or do them after, or without', () => {
    const labels = '__name__=godeltaprof_memory';
    const rules = [{ source_labels: ['__name__'], target_label: 'seen' }];
    const names = (given: Given): string[] => Object.keys(stored(plain, { labels, ...given }));
    expect(names({ rules })).toEqual([
      '__name__=memory,__name_replaced__=godeltaprof_memory,seen=memory,service_name=shop',
    ]);
    expect(names({ rules, defaults: 'last' })).toEqual([
      '__name__=memory,__name_replaced__=godeltaprof_memory,seen=godeltaprof_memory,service_name=shop',
    ]);
    expect(names({ rules, defaults: 'disabled' })).toEqual([
      '__name__=godeltaprof_memory,seen=godeltaprof_memory,service_name=shop',
    ]);
    expect(names({ defaults: 'disabled' })).toEqual(['__name__=godeltaprof_memory,service_name=shop']);
    expect(names({ defaults: 'last' })).toEqual(names({}));
  });
});

describe('rules for sample types', () => {
  const drop = (type: string) => ({ action: 'drop', source_labels: ['__type__'], regex: type });

  it('drop types of one profile, and the samples that have values of no other', () => {
    const message = draw(types, ['a 1 0', 'b 2 20']);
    const { profile, droppedSamples } = run(message, { sampleTypes: [drop('samples')] });
    expect(show(profile!)).toEqual({ [BASE]: ['b 20'] });
    expect(profile!.types.map(({ type }) => type)).toEqual(['cpu']);
    expect(droppedSamples).toMatchObject({ zero: 1, relabelled: 0 });
    const none = run(message, { sampleTypes: [drop('.*')] });
    expect([none.profile, none.droppedSamples.relabelled]).toEqual([undefined, 2]);
  });

  it('may tell by unit and by the labels of the push', () => {
    const keep = { action: 'keep', source_labels: ['service_name', '__type__', '__unit__'], regex: 'shop;cpu;nano.*' };
    expect(stored(plain, { sampleTypes: [keep] })).toEqual({ [BASE]: ['a 10', 'a;b 20'] });
    const other = { action: 'drop', source_labels: ['service_name'], regex: 'till' };
    expect(stored(plain, { sampleTypes: [other] })).toEqual(both);
  });

  it('take the negative values of a dropped type out of the way, exactly', () => {
    const message = draw(types, [`a -1 ${2n ** 60n + 1n}`, 'b 1 -1', `c ${-(2n ** 63n)} 3`]);
    expect(stored(message, { sampleTypes: [drop('samples')] })).toEqual({ [BASE]: [`a ${2n ** 60n + 1n}`, 'c 3'] });
    expect(stored(message, { sampleTypes: [drop('cpu')] })).toEqual({ [BASE]: ['b 1'] });
    expect(stored(message, {})).toEqual({});
  });

  it('are those of any samples and rules: sums are as of a profile that never had the type', () => {
    const value = fc.oneof(fc.integer({ min: -2, max: 3 }), fc.bigInt({ min: -(2n ** 62n), max: 2n ** 60n }));
    const lines = fc.array(
      fc.tuple(fc.constantFrom('a', 'a;b', 'c'), fc.array(value, { minLength: 3, maxLength: 3 })),
      {
        maxLength: 6,
      },
    );
    const three = ['x/n', 'y/n', 'z/n'];
    fc.assert(
      fc.property(lines, fc.subarray(three, { minLength: 1 }), (all, kept) => {
        const draws = (wanted: readonly string[]): PprofMessage =>
          draw(
            [...wanted],
            all.map(([stack, values]) => [stack, ...wanted.map((type) => values[three.indexOf(type)])].join(' ')),
          );
        const gone = three.filter((type) => !kept.includes(type)).map((type) => drop(type[0]!));
        const want = stored(draws(kept), {});
        const whole = draws(three);
        expect(
          stored({ ...whole, periodType: whole.sampleType![three.indexOf(kept[0]!)]! }, { sampleTypes: gone }),
        ).toEqual(want);
      }),
    );
  });
});

it('rules that do nothing change nothing', () => {
  const message = labelled([
    ['a 1 10', 'pool=x'],
    ['a 1 -1', 'pool=y'],
    ['b 3 30', ''],
  ]);
  const nothing = [{ action: 'drop', source_labels: ['no'], regex: 'x' }];
  expect(stored(message, { rules: nothing, sampleTypes: nothing })).toEqual(stored(message, {}));
});
