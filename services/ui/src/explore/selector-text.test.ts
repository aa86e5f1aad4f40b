import { describe, expect, it } from 'vitest';
import { readSelector, serviceSelector, valueOf, withValue } from './selector-text.ts';

describe('a selector as typed', () => {
  it('may leave out its braces, and means everything when it is empty', () => {
    expect(readSelector(' ')).toMatchObject({ ok: true, text: '{}' });
    expect(readSelector('region="eu", a!="b"')).toMatchObject({ ok: true, text: '{region="eu", a!="b"}' });
    expect(readSelector('{region="eu"}')).toMatchObject({ ok: true, text: '{region="eu"}' });
  });

  it('with a typo says where, in the text that was typed', () => {
    expect(readSelector('{region=eu}')).toMatchObject({ ok: false, at: 8, message: /expected a quoted string/ });
    expect(readSelector('region=eu')).toMatchObject({ ok: false, at: 7 });
    expect(readSelector('  {region=eu}')).toMatchObject({ ok: false, at: 10 });
  });
});

describe('the service of a selector', () => {
  const odd = 'odd "quoted" {braces}, 🔥\nsecond \\ line';

  it('is any text', () => {
    expect(valueOf(serviceSelector(odd), 'service_name')).toBe(odd);
    expect(valueOf('{a=~".+"}', 'service_name')).toBeUndefined();
    expect(valueOf('{a=', 'service_name')).toBeUndefined();
  });

  it('is changed and taken out without touching other conditions', () => {
    expect(withValue('{a=~"b",service_name="x"}', 'service_name', odd)).toBe(
      `${serviceSelector(odd).slice(0, -1)},a=~"b"}`,
    );
    expect(withValue('{service_name="x",a="b"}', 'service_name', undefined)).toBe('{a="b"}');
    expect(withValue('{broken', 'service_name', 'x')).toBe('{service_name="x"}');
    expect(withValue('{service_name="x",pod="1"}', 'pod', '2')).toBe('{service_name="x",pod="2"}');
  });
});
