import { describe, expect, test } from 'vitest';
import { KilnError } from '@kiln/model';
import { normalizePprof } from '../normalize.ts';
import { decodePprof } from '../pprof/decode.ts';
import { addStrings, draw, encodeMessage } from '../test-support/pprof-message.ts';
import { limits, show } from '../test-support/show-profile.ts';
import { describeIngest } from './describe-ingest.ts';
import { parseIngestName } from './ingest-name.ts';
import { metricNameFor, parseSampleTypeConfig } from './sample-type-config.ts';
import { parseTimeParam, readTimeParam } from './time-param.ts';

describe('the parameter name', () => {
  const read = (text: string): string => {
    const { app, labels, passedOver } = parseIngestName(text);
    return [
      app,
      labels.map(({ name, value }) => `${name}=${value}`).join(','),
      ...(passedOver === '' ? [] : [passedOver]),
    ].join('|');
  };

  test('is an application and its labels, nothing quoted', () => {
    expect(read('app')).toBe('app|');
    expect(read('my.app-1/x{}')).toBe('my.app-1/x|');
    expect(read('app{a=1,b = two words }')).toBe('app|a=1,b=two words');
    expect(read('app{otel.scope.name=com.grafana/go,x="q"}')).toBe('app|otel.scope.name=com.grafana/go,x="q"');
    expect(read('app{a=}')).toBe('app|a=');
    expect(read('app{a=1, }')).toBe('app|a=1');
    expect(read('app{a=1,')).toBe('app|a=1');
  });

  test('tells what it passes over: what is no label, and what stands behind the end', () => {
    expect(read('app{a=x,y}')).toBe('app|a=x|y}');
    expect(read('app{a=1}trailing{b=2}')).toBe('app|a=1|trailing{b=2}');
    expect(read('app{a=1,}b=2')).toBe('app|a=1|b=2');
    expect(read('app{b')).toBe('app||b');
  });

  test('loses no label that has no end', () => {
    for (const text of ['app{b=c', 'app{a=1,b=c'])
      expect(() => parseIngestName(text)).toThrow(
        'invalid label "b=c" without an end in the parameter name: allowed are labels that end with , or }, as in name=app{key=value}',
      );
  });

  test('drops labels with two underscores but the session, and __name__ is the application', () => {
    expect(read('app{__x__=1,__session_id__=ab,__name__=other}')).toBe('other|__session_id__=ab');
  });

  test.each(['', '{a=1}', 'a b', 'app{a b=1}', 'app{=1}', 'app{ü=1}', 'äpp'])('%j is refused', (text) => {
    expect(() => parseIngestName(text)).toThrow(KilnError);
  });
});

describe('from and until', () => {
  const now = 1_800_000_000_000_000_000n;
  test.each<[string | undefined, bigint]>([
    ['1700000000', 1_700_000_000_000_000_000n],
    ['1700000000123', 1_700_000_000_123_000_000n],
    ['1700000000123456', 1_700_000_000_123_456_000n],
    ['1700000000123456789', 1_700_000_000_123_456_789n],
    ['20231114', 1_699_920_000_000_000_000n],
    ['20231314', 20_231_314_000_000_000n],
    ['0', 0n],
    ['now-1h30m', now - 5_400_000_000_000n],
    ['now+1d', now + 86_400_000_000_000n],
    ['now - 1 M', now - 2_592_000_000_000_000n],
    ['now-5min', now - 300_000_000_000n],
    ['now-3x', now],
    ['nonsense', now],
    ['', now],
    [undefined, now],
    ['9'.repeat(40), now],
  ])('%j', (text, want) => expect(parseTimeParam(text, now)).toBe(want));

  test('who refuses what means nothing is told so, and reads the rest alike', () => {
    for (const text of ['now', 'now-1h30m', 'now - 1 M', 'now-3y', 'now-5min', '20231114', '1700000000123', '0'])
      expect([text, readTimeParam(text, now)]).toEqual([text, parseTimeParam(text, now)]);
    for (const text of ['', 'nonsense', 'now-', 'now-3x', 'now-500ms', '20231314', '18991231', '12345678901234'])
      expect([text, readTimeParam(text, now)]).toEqual([text, undefined]);
  });
});

describe('the metric of a pprof on /ingest', () => {
  test.each<[string[], string | undefined, string]>([
    [['samples', 'cpu'], undefined, 'process_cpu'],
    [['sample', 'wall'], undefined, 'wall'],
    [['alloc_objects', 'inuse_space'], undefined, 'memory'],
    [['objects', 'space'], undefined, 'memory'],
    [['contentions', 'delay'], undefined, 'mutex'],
    [['goroutine'], undefined, 'goroutines'],
    [['contentions', 'delay'], '{"contentions":{"display-name":"block_count"},"delay":{}}', 'block'],
    [['samples'], '{}', 'samples'],
    [['exceptions'], undefined, 'exceptions'],
  ])('%j with %s is %s', (types, config, want) => {
    expect(metricNameFor(types, config === undefined ? undefined : parseSampleTypeConfig(config))).toBe(want);
  });

  test.each(['', '[]', '3', '{"a":1}', '{'])('a sample_type_config of %j is refused', (json) => {
    expect(() => parseSampleTypeConfig(json)).toThrow(KilnError);
  });
});

describe('a pprof on /ingest', () => {
  const source = {
    app: 'shop.api',
    labels: [{ name: 'region', value: 'eu' }],
    passedOver: '',
    spy: 'gospy',
    fromNanos: 1_800_000_000_000_000_000n,
  };
  const stored = (
    message: ReturnType<typeof draw>,
    some: Partial<typeof source> = {},
    config?: string,
  ): Record<string, string[]> => {
    const sampleTypes = config === undefined ? undefined : parseSampleTypeConfig(config);
    const ingested = describeIngest(decodePprof(encodeMessage(message)), { ...source, ...some }, sampleTypes);
    return show(normalizePprof(ingested.pprof, { ...ingested, limits, receivedMs: 1_800_000_000_000 }).profile!);
  };

  test('is stored under the whole application name, with its spy', () => {
    expect(stored(draw(['cpu/nanoseconds'], ['a 1']))).toEqual({
      '__name__=process_cpu,pyroscope_spy=gospy,region=eu,service_name=shop.api': ['a 1'],
    });
    const labels = [{ name: 'service_name', value: 'own' }];
    expect(stored(draw(['cpu/nanoseconds'], ['a 1']), { labels })).toEqual({
      '__name__=process_cpu,pyroscope_spy=gospy,service_name=own': ['a 1'],
    });
  });

  test('stamped in 1970 or not at all takes the time of from', () => {
    for (const timeNanos of ['0', '1634000000000000']) {
      const ingested = describeIngest(
        decodePprof(encodeMessage(draw(['cpu/ns'], ['a 1'], { timeNanos }))),
        source,
        undefined,
      );
      expect(ingested.pprof.timeNanos).toBe(source.fromNanos);
    }
  });

  test('of a scripting language has its files in front of its functions', () => {
    const message = draw(['cpu/ns'], ['a;b 1']);
    const [file] = addStrings(message, '/abs/x.py');
    message.function![1]!.filename = file!;
    expect(Object.values(stored(message, { spy: 'pyspy' }))).toEqual([['main.x a;b 1']]);
    expect(Object.values(stored(message, { spy: 'rbspy' }))).toEqual([['main.x a;/abs/x.py b 1']]);
    expect(Object.values(stored(message, { spy: 'scripting' }))).toEqual([['main.x a;/abs/x.py b 1']]);
  });

  test('without a sample type that can be read is refused for that, not for a label that the client never sends', () => {
    const none = draw([], ['a']);
    const astray = draw(['cpu/ns'], ['a 1']);
    astray.sampleType![0]!.type = 99;
    expect(() => stored(none)).toThrow(/^profile has no sample type/);
    expect(() => stored(astray)).toThrow(/^sample type type string index out of range: found 99/);
  });

  test('of .NET may lack function ids and have dashes in its types', () => {
    const message = draw(['inuse-space/bytes'], ['a 1']);
    message.function![0]!.id = 0;
    const config = '{"inuse-space":{"units":"bytes"}}';
    expect(stored(message, { spy: 'dotnetspy' })).toEqual({
      '__name__=memory,pyroscope_spy=dotnetspy,region=eu,service_name=shop.api': ['a 1'],
    });
    expect(Object.keys(stored(message, { spy: 'unknown' }, config))[0]).toContain('pyroscope_spy=unknown');
    expect(() => stored(message)).toThrow('function id is 0');
  });
});
