import { describe, expect, test } from 'vitest';
import { KilnError, type Label, type Profile } from '@kiln/model';
import type { ProfileLimits } from './limits.ts';
import { normalizePprof } from './normalize.ts';
import { decodePprof } from './pprof/decode.ts';
import { addStrings, draw, encodeMessage, type PprofMessage } from './test-support/pprof-message.ts';
import { limits, show, textAt } from './test-support/show-profile.ts';

const NOW = 1_800_000_000_000;
const cpu = ['samples/count', 'cpu/nanoseconds'];
const base: Label[] = [
  { name: '__name__', value: 'process_cpu' },
  { name: 'service_name', value: 'shop' },
];
const BASE = '__name__=process_cpu,service_name=shop';

interface Options {
  labels?: Label[];
  limits?: Partial<ProfileLimits>;
}

function run(
  message: PprofMessage,
  { labels = base, limits: some = {} }: Options = {},
): ReturnType<typeof normalizePprof> {
  return normalizePprof(decodePprof(encodeMessage(message)), {
    labels,
    limits: { ...limits, ...some },
    receivedMs: NOW,
  });
}

function profileOf(message: PprofMessage, options?: Options): Profile {
  return run(message, options).profile!;
}

function refused(
  message: PprofMessage,
  options?: Options,
): { code: string; reason: string | undefined; message: string } {
  try {
    run(message, options);
  } catch (error) {
    if (error instanceof KilnError) return { code: error.code, reason: error.reason, message: error.message };
    throw error;
  }
  throw new Error('was accepted');
}

describe('samples', () => {
  test('with equal stacks are summed, all value types in one row', () => {
    const profile = profileOf(draw(cpu, ['a;b 1 10', 'a 2 20', 'a;b 3 30']));
    expect(show(profile)).toEqual({ [BASE]: ['a 2 20', 'a;b 4 40'] });
    expect(profile.types).toEqual([
      { type: 'samples', unit: 'count', periodType: 'samples', periodUnit: 'count' },
      { type: 'cpu', unit: 'nanoseconds', periodType: 'samples', periodUnit: 'count' },
    ]);
  });

  test('with a negative value or without any are dropped', () => {
    expect(show(profileOf(draw(cpu, ['a 1 -1', 'b 0 0', 'c 0 7'])))).toEqual({ [BASE]: ['c 0 7'] });
    expect(run(draw(cpu, ['a 1 -1', 'b 0 0'])).profile).toBeUndefined();
    expect(run(draw(cpu, [])).profile).toBeUndefined();
  });

  test('keep int64 exactly, and a sum beyond it is refused by name', () => {
    const max = 2n ** 63n - 1n;
    expect(show(profileOf(draw(['x/y'], [`a ${max}`])))).toEqual({ [BASE]: [`a ${max}`] });
    expect(show(profileOf(draw(['x/y'], [`a ${2n ** 53n}`, 'a 1', `b ${2n ** 62n}`])))).toEqual({
      [BASE]: [`a ${2n ** 53n + 1n}`, `b ${2n ** 62n}`],
    });
    for (const lines of [
      [`a ${max}`, 'a 1'],
      [`a ${max}`, 'b 1'],
      [`a ${max}`, `b ${max}`, `c ${max}`],
    ]) {
      const { code, message } = refused(draw(['x/y'], lines));
      expect(code).toBe('out_of_range');
      expect(message).toContain('9223372036854775807');
    }
  });

  test('whose number of values is not that of the types make the profile malformed', () => {
    expect(refused(draw(cpu, ['a 1']))).toMatchObject({ code: 'invalid_argument', reason: 'malformed_profile' });
    expect(refused(draw(cpu, ['a 1 2 3']))).toMatchObject({ reason: 'malformed_profile' });
  });

  test('that use an invalid location are dropped whole', () => {
    const message = draw(['x/y'], ['a;b 1', 'a;c 2', 'd 4']);
    message.location![1] = { id: 2, mappingId: 1 };
    expect(show(profileOf(message))).toEqual({ [BASE]: ['a;c 2', 'd 4'] });
    message.location![1] = { id: 2, mappingId: 9, line: [{ functionId: 2 }] };
    expect(show(profileOf(message))).toEqual({ [BASE]: ['a;c 2', 'd 4'] });
    message.location![1] = { id: 2, mappingId: 1, line: [{ functionId: 99 }] };
    expect(show(profileOf(message))).toEqual({ [BASE]: ['a;c 2', 'd 4'] });
    message.sample!.push({ locationId: [77], value: [9] });
    expect(show(profileOf(message))).toEqual({ [BASE]: ['a;c 2', 'd 4'] });
  });

  test('deeper than the limit lose their leaf side, and are counted', () => {
    const result = run(draw(['x/y'], ['a;b;c;d 1', 'a;b 2']), { limits: { maxStacktraceDepth: 2 } });
    expect(show(result.profile!)).toEqual({ [BASE]: ['a;b 3'] });
    expect(result.truncatedStacks).toBe(1);
  });

  test('without locations are kept', () => {
    expect(show(profileOf(draw(['x/y'], [' 5', 'a 1'])))).toEqual({ [BASE]: [' 5', 'a 1'] });
  });
});

describe('what was changed on the way', () => {
  test('is counted: samples dropped by why, stacks and strings cut', () => {
    const message = draw(['x/y'], ['a 1', 'b -1', 'c 0', 'd 0', 'e 3', 'a;b;c 1', 'a;b;c 2']);
    message.location![4] = { id: 5, mappingId: 1 };
    const { droppedSamples, truncatedStacks, language } = run(message, { limits: { maxStacktraceDepth: 2 } });
    expect(droppedSamples).toEqual({ negative: 1, zero: 2, invalid: 1, relabelled: 0 });
    expect(truncatedStacks).toBe(2);
    expect(language).toBeUndefined();
  });

  test('leaves nothing of dropped samples in the tables', () => {
    const message = draw(['x/y'], ['only;gone;bad 1', 'never 0', 'a;kept 2']);
    message.location![2] = { id: 3, mappingId: 1 };
    const { symbols } = profileOf(message);
    const names = Array.from({ length: symbols.strings.length }, (_, row) => textAt(symbols, row));
    expect(names.sort()).toEqual(['', '/bin/app', 'a', 'kept', 'main.x']);
    expect([symbols.locations.length, symbols.tree.length, symbols.stacks.length]).toEqual([2, 3, 1]);
  });
});

describe('types', () => {
  test('of one name share a column', () => {
    const profile = profileOf(draw(['x/y', 'z/y', 'x/y'], ['a 1 10 100', 'a 2 20 200']));
    expect(profile.types.map(({ type }) => type)).toEqual(['x', 'z']);
    expect(show(profile)).toEqual({ [BASE]: ['a 303 30'] });
  });

  test('may sum to int64 each series, not beyond', () => {
    const message = draw(['x/y'], [`a ${2n ** 63n - 1n}`, `a ${2n ** 63n - 1n}`]);
    const [key, one, two] = addStrings(message, 'pool', 'one', 'two');
    message.sample![0]!.label = [{ key: key!, str: one! }];
    message.sample![1]!.label = [{ key: key!, str: two! }];
    expect(Object.values(show(profileOf(message)))).toEqual([[`a ${2n ** 63n - 1n}`], [`a ${2n ** 63n - 1n}`]]);
    message.sample![1]!.label = [{ key: key!, str: one! }];
    expect(refused(message)).toMatchObject({
      code: 'out_of_range',
      message:
        'sum of the x/y values of one series is 18446744073709551614: allowed is int64, -9223372036854775808 to 9223372036854775807',
    });
  });
});

describe('sample labels', () => {
  function labelled(...sets: Record<string, string>[]): PprofMessage {
    const message = draw(
      ['x/y'],
      sets.map((_, i) => `f${i % 2} ${i + 1}`),
    );
    for (const [i, set] of sets.entries()) {
      message.sample![i]!.label = Object.entries(set).map(([name, value]) => {
        const [key, str] = addStrings(message, name, value);
        return { key: key!, str: str! };
      });
    }
    return message;
  }

  test('that are strings become series; numbers are dropped', () => {
    const message = labelled({ pool: 'a' }, { pool: 'b' }, { pool: 'a' }, {});
    message.sample![3]!.label = [{ key: addStrings(message, 'bytes')[0]!, num: 7 }];
    expect(show(profileOf(message))).toEqual({
      [BASE]: ['f1 4'],
      '__name__=process_cpu,pool=a,service_name=shop': ['f0 4'],
      '__name__=process_cpu,pool=b,service_name=shop': ['f1 2'],
    });
  });

  test('make one series in whatever order they come; of two values the last counts', () => {
    const message = draw(['x/y'], ['a 1', 'a 2', 'a 4', 'a 8']);
    const [k1, k2, v1, v2, empty] = addStrings(message, 'k1', 'k2', 'v1', 'v2', '');
    const label = (key: number | undefined, str: number | undefined) => ({ key: key!, str: str! });
    message.sample![0]!.label = [label(k1, v1), label(k2, v2)];
    message.sample![1]!.label = [label(k2, v2), label(k1, v1)];
    message.sample![2]!.label = [label(k1, v2), label(k1, v1), label(k2, v2)];
    message.sample![3]!.label = [label(k1, v1), label(k1, empty)];
    expect(show(profileOf(message))).toEqual({
      [BASE]: ['a 8'],
      '__name__=process_cpu,k1=v1,k2=v2,service_name=shop': ['a 7'],
    });
  });

  test('lose against labels of the series, and groups that become equal are one', () => {
    const labels = [...base, { name: 'pool', value: 'mine' }];
    expect(show(profileOf(labelled({ pool: 'a' }, { pool: 'b' }, { pool: 'a' }), { labels }))).toEqual({
      '__name__=process_cpu,pool=mine,service_name=shop': ['f0 4', 'f1 2'],
    });
  });

  test('span and trace ids stay with the sample and make no series', () => {
    const trace = '0123456789abcdef0011223344556677';
    const profile = profileOf(
      labelled(
        { profile_id: '00000bac2a5ab0c7', trace_id: trace },
        { span_id: 'ffffffffffffffff' },
        { span_id: 'nonsense' },
      ),
    );
    expect(show(profile)).toEqual({ [BASE]: ['f0 4', 'f1 2'] });
    const { spans } = profile.groups[0]!;
    expect([...spans!.spanId]).toEqual([0xbac2a5ab0c7n, 2n ** 64n - 1n]);
    expect([...spans!.traceIdHi, ...spans!.traceIdLo]).toEqual([0x0123456789abcdefn, 0n, 0x0011223344556677n, 0n]);
    expect([...spans!.values[0]!.lo]).toEqual([1, 2]);
  });

  test('over the limit or outside the string table are refused', () => {
    const many = labelled(Object.fromEntries(Array.from({ length: 5 }, (_, i) => [`l${i}`, 'v'])));
    expect(refused(many, { limits: { maxStacktraceSampleLabels: 4 } })).toMatchObject({
      reason: 'sample_labels_limit',
    });
    const bad = draw(['x/y'], ['a 1']);
    bad.sample![0]!.label = [{ key: 500, str: 1 }];
    expect(refused(bad).message).toContain('sample label string index out of range');
    bad.sample![0]!.label = [{ key: 1, str: -3 }];
    expect(refused(bad)).toMatchObject({ code: 'invalid_argument', reason: 'malformed_profile' });
  });
});

describe('symbols', () => {
  test('keep the numbers of the file: who stores them merges what is equal under two', () => {
    const message = draw(['x/y'], ['a 1', 'b 2', 'a 4']);
    message.location![1] = { id: 2, mappingId: 1, address: 99, line: [{ functionId: 1, line: 10 }] };
    const profile = profileOf(message);
    expect(show(profile)).toEqual({ [BASE]: ['a 2', 'a 5'] });
    const { mapping, addressLo } = profile.symbols.locations;
    expect([...mapping.subarray(0, 2), ...addressLo.subarray(0, 2)]).toEqual([0, 0, 0, 0]);
  });

  test('of one function in two mappings stay apart', () => {
    const message = draw(['x/y'], ['a 1', 'b 2']);
    message.mapping!.push({ id: 2, hasFunctions: true });
    message.location![1] = { id: 2, mappingId: 2, address: 99, line: [{ functionId: 1, line: 10 }] };
    const { locations, mappings } = profileOf(message).symbols;
    expect([...locations.mapping.subarray(0, 2), mappings.length]).toEqual([0, 1, 2]);
  });

  test('without mapping get a stub, and keep their address when there is no line', () => {
    const message = draw(['x/y'], ['a 1']);
    message.location![0] = { id: 1, address: 0x1234, line: [] };
    const profile = profileOf(message);
    expect(show(profile)).toEqual({ [BASE]: ['0x1234 1'] });
    expect(profile.symbols.mappings.length).toBe(1);
    expect(textAt(profile.symbols, profile.symbols.mappings.fileName[0]!)).toBe('');
  });

  test('with 64-bit and sparse ids are found', () => {
    const message = draw(['x/y'], ['a;b 1', 'b 2']);
    const ids = ['18446744073709551615', '4294967296'];
    message.location = ids.map((id, i) => ({
      id,
      mappingId: '9223372036854775808',
      line: [{ functionId: ids[1 - i]!, line: 1 }],
    }));
    message.function = ids.map((id, i) => ({ id, name: message.function![i]!.name! }));
    message.mapping = [{ id: '9223372036854775808', filename: 0 }];
    message.sample = [{ locationId: ids, value: [3] }];
    expect(show(profileOf(message))).toEqual({ [BASE]: ['a;b 3'] });
  });

  test('inlined functions keep their order, innermost first', () => {
    const message = draw(['x/y'], ['outer;inner 1']);
    message.location = [
      {
        id: 1,
        mappingId: 1,
        line: [
          { functionId: 2, line: 5 },
          { functionId: 1, line: 6 },
        ],
      },
    ];
    message.sample = [{ locationId: [1], value: [1] }];
    expect(show(profileOf(message))).toEqual({ [BASE]: ['outer;inner 1'] });
  });

  test('of Go lose their shape parameters; of others they stay', () => {
    const name = 'main.Map[go.shape.[]uint8,go.shape.int].Get';
    const message = draw(['x/y'], [`${name} 1`]);
    expect(show(profileOf(message))).toEqual({ [BASE]: [`${name} 1`] });
    message.stringTable![message.stringTable!.indexOf('main.x')] = 'main.go';
    expect(show(profileOf(message))).toEqual({ [BASE]: ['main.Map.Get 1'] });
    const labels = [...base, { name: 'pyroscope_spy', value: 'pyspy' }];
    expect(Object.values(show(profileOf(message, { labels })))).toEqual([[`${name} 1`]]);
  });

  test('too long keep their tail, never half a character', () => {
    const result = run(draw(['x/y'], ['aaaaé 1']), { limits: { maxSymbolValueLength: 3 } });
    expect(Object.values(show(result.profile!))).toEqual([['aé 1']]);
    expect(result.truncatedStrings).toBeGreaterThan(0);
    expect(Object.values(show(profileOf(draw(['x/y'], ['aaéé 1']), { limits: { maxSymbolValueLength: 3 } })))).toEqual([
      ['é 1'],
    ]);
  });

  test('name their source in the build id when the labels say it', () => {
    const labels = [...base, { name: 'service_repository', value: 'r' }, { name: 'service_git_ref', value: 'main' }];
    const message = draw(['x/y'], ['a 1']);
    message.mapping![0]!.buildId = addStrings(message, 'abc')[0]!;
    const { symbols } = profileOf(message, { labels });
    expect(textAt(symbols, symbols.mappings.buildId[0]!)).toBe('{"repository":"r","git_ref":"main","build_id":"abc"}');
  });
});

describe('a profile is refused', () => {
  const ok = (): PprofMessage => draw(['x/y'], ['a 1']);
  const change = (edit: (message: PprofMessage) => void): PprofMessage => {
    const message = ok();
    edit(message);
    return message;
  };

  test.each<[string, PprofMessage, string]>([
    ['without sample type', change((m) => void (m.sampleType = [])), 'sample type'],
    ['with function id 0', change((m) => void (m.function![0]!.id = 0)), 'function id is 0'],
    ['with location id 0', change((m) => void (m.location![0]!.id = 0)), 'location id is 0'],
    [
      'with a sample type outside the strings',
      change((m) => void (m.sampleType![0]!.type = 99)),
      'sample type type string index out of range',
    ],
    [
      'with a negative sample type',
      change((m) => void (m.sampleType![0]!.unit = -1)),
      'sample type unit string index out of range',
    ],
    [
      'with a function name outside the strings',
      change((m) => void (m.function![0]!.name = 99)),
      'function name string index out of range',
    ],
    [
      'with a file name outside the strings',
      change((m) => void (m.mapping![0]!.filename = 99)),
      'mapping file name string index out of range',
    ],
    [
      'whose first string is not empty',
      change((m) => void (m.stringTable![0] = 'x')),
      'string 0 should be empty string',
    ],
    ['without strings', change((m) => void (m.stringTable = [])), 'string'],
    ['with a dash in a sample type', draw(['in-use/bytes'], ['a 1']), '"-"'],
  ])('%s', (_, message, sentence) => {
    const error = refused(message);
    expect(error).toMatchObject({ code: 'invalid_argument', reason: 'malformed_profile' });
    expect(error.message).toContain(sentence);
  });

  test('but a negative function or file name reads as empty', () => {
    expect(show(profileOf(change((m) => void (m.function![0]!.name = -5))))).toEqual({ [BASE]: [' 1'] });
    expect(show(profileOf(change((m) => void (m.periodType = { type: -1, unit: 999 }))))).toEqual({ [BASE]: ['a 1'] });
  });

  test('with text that is not UTF-8, shown in hex', () => {
    const bytes = encodeMessage(draw(['x/y'], ['aQQb 1']));
    bytes[bytes.indexOf(0x51)] = 0xff;
    const request = { labels: base, limits, receivedMs: NOW };
    expect(() => normalizePprof(decodePprof(bytes), request)).toThrow(/not valid UTF-8: 61ff5162/);
  });

  test('outside the ingestion window, and stamped when it has no time', () => {
    const at = (ms: number): PprofMessage => change((m) => void (m.timeNanos = String(BigInt(ms) * 1_000_000n)));
    expect(profileOf(at(NOW - 3_599_999)).timeNanos).toBe(BigInt(NOW - 3_599_999) * 1_000_000n);
    for (const ms of [NOW - 3_600_000, NOW + 600_000, 1_000, 4_102_444_800_000]) {
      expect(refused(at(ms))).toMatchObject({ reason: 'not_in_ingestion_window' });
    }
    expect(refused(at(1_000)).message).toMatch(
      /1970-01-01.*older.*\(reject_older_than is 1h, flag --validation\.reject-older-than\)/,
    );
    expect(refused(at(4_102_444_800_000)).message).toMatch(
      /2100-01-01.*newer.*\(reject_newer_than is 10m, flag --validation\.reject-newer-than\)/,
    );
    expect(profileOf(ok()).timeNanos).toBe(BigInt(NOW) * 1_000_000n);
    expect(profileOf(at(-5)).timeNanos).toBe(BigInt(NOW) * 1_000_000n);
    const retention = { rejectOlderThanMs: 30 * 86_400_000, rejectOlderThanName: 'retention_period' as const };
    expect(refused(at(1_000), { limits: retention }).message).toMatch(
      /\(retention_period is 30d, flag --retention-period\)/,
    );
    expect(profileOf(at(1_000), { limits: { rejectOlderThanMs: 0 } }).timeNanos).toBe(1_000_000_000n);
  });

  test('over its size or number of samples, naming the limit', () => {
    expect(refused(ok(), { limits: { maxProfileSizeBytes: 10 } })).toMatchObject({ reason: 'profile_size_limit' });
    const error = refused(draw(['x/y'], ['a 1', 'b 1']), { limits: { maxStacktraceSamples: 1 } });
    expect(error).toMatchObject({ reason: 'samples_limit' });
    expect(error.message).toBe('profile has too many samples: 2, limit 1 (max_profile_stacktrace_samples)');
  });
});
