import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { asksAnew, formatAddress, plainAddress, readAddress, type Address, type Side } from './address.ts';

const text = fc.string({ unit: 'grapheme', maxLength: 12 });
const side: fc.Arbitrary<Side> = fc.record({
  selector: text.map((inside) => `{${inside}`),
  from: fc.constantFrom('now-1h', 'now-3d', '1795975880481'),
  until: fc.constantFrom('now', '1795975894519'),
});
const flame = fc.record({
  search: text,
  focus: fc.array(text, { maxLength: 4 }),
  sandwich: fc.option(text, { nil: undefined }),
  inverted: fc.boolean(),
  colours: fc.constantFrom('package' as const, 'self' as const),
});
const shared = {
  tenant: text,
  kind: fc.constantFrom('process_cpu:cpu:nanoseconds:cpu:nanoseconds', 'memory:inuse_space:bytes:space:bytes'),
  refresh: fc.constantFrom('off' as const, '10s' as const, '1m' as const),
  aggregation: fc.constantFrom('' as const, 'sum' as const, 'average' as const),
  flame,
};
const explored = fc
  .tuple(side, fc.record({ ...shared, groupBy: text, panes: fc.constantFrom('both' as const, 'graph' as const) }))
  .map(([left, rest]): Address => ({ ...plainAddress, view: 'explore', ...left, ...rest }));
const compared = fc
  .tuple(side, side, fc.record({ ...shared, comparison: fc.constantFrom('diff' as const, 'sides' as const) }))
  .map(([left, right, rest]): Address => ({ ...plainAddress, view: 'compare', ...left, right, ...rest }));

const at = (address: string): Address => readAddress(new URL(address, 'http://kiln.test/below/'));

describe('the address of the page', () => {
  it('says everything that is shown: what is written is read back', () => {
    fc.assert(
      fc.property(fc.oneof(explored, compared), (address) => {
        expect(at(formatAddress(address))).toEqual(address);
      }),
    );
  });

  it('is relative, so that it stays below a path prefix', () => {
    expect(new URL(formatAddress({ ...plainAddress, view: 'explore' }), 'http://kiln.test/below/compare').href).toBe(
      'http://kiln.test/below/explore',
    );
    expect(new URL(formatAddress(plainAddress), 'http://kiln.test/below/compare?x=1').href).toBe(
      'http://kiln.test/below/',
    );
  });

  it('of a plain page names nothing', () => {
    expect(formatAddress(plainAddress)).toBe('./');
    expect(at('./')).toEqual(plainAddress);
  });

  it('asks by the parameters of the API', () => {
    const address = at('explore?query=process_cpu:cpu:nanoseconds:cpu:nanoseconds{a="{b}"}&from=now-6h');
    expect(address).toMatchObject({
      kind: 'process_cpu:cpu:nanoseconds:cpu:nanoseconds',
      selector: '{a="{b}"}',
      from: 'now-6h',
      until: 'now',
    });
  });

  it('keeps a selector that does not parse, for the page to say why', () => {
    expect(at('explore?query=x:y:z:a:b{a=').selector).toBe('{a=');
  });

  it('takes what it does not know for nothing', () => {
    expect(at('explore?refresh=5ms&panes=none&colours=none&unknown=1')).toEqual({ ...plainAddress, view: 'explore' });
  });
});

it('another look at the same numbers does not ask for them anew', () => {
  expect(asksAnew({ flame: plainAddress.flame, panes: 'graph' })).toBe(false);
  expect(asksAnew({ flame: plainAddress.flame, selector: '{}' })).toBe(true);
});
