import { describe, expect, test } from 'vitest';
import fc from 'fast-check';
import {
  changedTree,
  ConfigError,
  fileTree,
  formatBytes,
  formatDuration,
  helpText,
  loadConfig,
  nearest,
  parseBytes,
  parseDuration,
  parseFlags,
  setting,
} from './index.ts';

const schema = {
  server: {
    port: setting({
      key: 'server.http-listen-port',
      aliases: ['port'],
      type: 'int',
      default: 4040,
      max: 65_535,
      meaning: 'Port.',
    }),
    level: setting({
      key: 'log.level',
      yaml: 'server.log_level',
      type: 'string',
      default: 'info',
      choices: ['info', 'warn'],
      meaning: 'Level.',
    }),
    file: setting({ key: 'config.file', yaml: null, type: 'string', default: '', meaning: 'YAML file.' }),
  },
  ingester: {
    cutMaxAge: setting({ key: 'ingester.cut-max-age', type: 'duration', default: 300_000, min: 100, meaning: 'Age.' }),
    cutMaxBytes: setting({ key: 'ingester.cut-max-bytes', type: 'bytes', default: 64 << 20, meaning: 'Size.' }),
  },
  auth: {
    multitenancy: setting({
      key: 'auth.multitenancy-enabled',
      yaml: 'multitenancy_enabled',
      type: 'bool',
      default: false,
      meaning: 'Tenants.',
    }),
  },
  push: {
    labels: setting({ key: 'label', yaml: null, type: 'repeated', default: [], meaning: 'Labels.' }),
    names: setting({ key: 'names', type: 'list', default: [], meaning: 'Names.' }),
    shares: setting({ key: 'shares', type: 'data', default: '{}', meaning: 'Shares.', read: readShares }),
  },
  limits: {
    rate: setting({ key: 'distributor.rate-mb', yaml: 'limits.rate_mb', type: 'float', default: 0, meaning: 'Rate.' }),
  },
};

/** What counts, spelled in one way: names in order. */
function readShares(tree: unknown, where: string): unknown {
  if (typeof tree !== 'object' || tree === null) throw new ConfigError(`${where} is no shares by name`);
  return Object.fromEntries(Object.entries(tree).toSorted(([a], [b]) => (a < b ? -1 : 1)));
}

const load = (argv: string[], tree?: unknown) =>
  loadConfig(schema, parseFlags(schema, argv), tree === undefined ? undefined : { name: 'kiln.yaml', tree });

describe('values', () => {
  test('come from the default, then the file, then the flags', () => {
    expect(load([]).server.port).toBe(4040);
    expect(load([], { server: { http_listen_port: 1 } }).server.port).toBe(1);
    expect(load(['--port=2'], { server: { http_listen_port: 1 } }).server.port).toBe(2);
    expect(Object.isFrozen(load([]).server)).toBe(true);
  });

  test('every way to write a flag means the same', () => {
    for (const argv of [
      ['--ingester.cut-max-age=2s'],
      ['--ingester.cut-max-age', '2s'],
      ['-ingester.cut-max-age=2s'],
      ['-ingester.cut-max-age', '2s'],
    ]) {
      expect(load(argv).ingester.cutMaxAge).toBe(2_000);
    }
  });

  test('true may be left out, and does not eat what follows', () => {
    const flags = parseFlags(schema, ['--auth.multitenancy-enabled', 'file.pb']);
    expect(loadConfig(schema, flags).auth.multitenancy).toBe(true);
    expect(flags.rest).toEqual(['file.pb']);
    expect(load(['--auth.multitenancy-enabled', 'false']).auth.multitenancy).toBe(false);
    expect(load([], { multitenancy_enabled: true }).auth.multitenancy).toBe(true);
  });

  test('a list grows by commas and by repeats; everything else takes the last', () => {
    expect(load(['--names', 'a', '--names=b, c']).push.names).toEqual(['a', 'b', 'c']);
    expect(load(['--label', 'a=1', '--label=b=2,c']).push.labels).toEqual(['a=1', 'b=2,c']);
    expect(load([], { names: ['a', 1] }).push.names).toEqual(['a', '1']);
    expect(load(['--port=1', '--port=2']).server.port).toBe(2);
  });

  test('with parts are checked by their setting and held as one text, from the file as from a flag', () => {
    expect(load([]).push.shares).toBe('{}');
    expect(load([], { shares: { b: 1, a: 2 } }).push.shares).toBe('{"a":2,"b":1}');
    expect(load(['--shares={"b":1,"a":2}']).push.shares).toBe('{"a":2,"b":1}');
    expect(load([], { shares: null }).push.shares).toBe('{}');
  });

  test('an empty file and an empty section change nothing', () => {
    expect(load([], null)).toEqual(load([]));
    expect(load([], { server: null })).toEqual(load([]));
  });

  test('help and what follows -- are not flags', () => {
    expect(parseFlags(schema, ['-h']).help).toBe(true);
    expect(parseFlags(schema, ['--help']).help).toBe(true);
    expect(parseFlags(schema, ['x', '--', '--port=1', '-']).rest).toEqual(['x', '--port=1', '-']);
  });
});

describe('a mistake is a sentence', () => {
  const sentence = (argv: string[], want: string, tree?: unknown) =>
    test(want, () => expect(() => load(argv, tree)).toThrow(want));

  sentence(['--ingester.cut-max-ag=1'], 'unknown flag --ingester.cut-max-ag: did you mean --ingester.cut-max-age?');
  sentence(['--cut-max-age=1'], 'unknown flag --cut-max-age: did you mean --ingester.cut-max-age?');
  sentence(['--zzzzzzzz'], 'unknown flag --zzzzzzzz: see --help');
  sentence(['--port'], '--port needs a value: Port.');
  sentence(['--port', '--port=1'], '--port needs a value, found --port=1 (if that is it: --port=--port=1): Port.');
  sentence(['--port=x'], '--server.http-listen-port is "x", must be a whole number');
  sentence(['--port=70000'], '--server.http-listen-port is 70000, must be at most 65535');
  sentence(['--port=-1'], '--server.http-listen-port is -1, must be at least 0');
  sentence(
    ['--ingester.cut-max-age=5'],
    '--ingester.cut-max-age is "5", must be a duration such as 15s, 1h30m, 7d or 1y (ms s m h d w y)',
  );
  sentence(['--ingester.cut-max-age=1ms'], '--ingester.cut-max-age is 1ms, must be at least 100ms');
  sentence(
    ['--ingester.cut-max-age=99999999999d'],
    '--ingester.cut-max-age is 99999999999d, which is too large: must be at most 104249991d',
  );
  sentence(
    ['--ingester.cut-max-bytes=999999TiB'],
    '--ingester.cut-max-bytes is 999999TiB, which is too large: must be at most 8191TiB',
  );
  sentence(['--port=99999999999999999'], 'is 99999999999999999, which is too large: must be at most 65535');
  sentence(['--ingester.cut-max-bytes=5x'], 'must be a size such as 64MiB, 64MB or 4096');
  sentence(['--log.level=loud'], '--log.level is "loud", must be one of info, warn');
  sentence([], 'unknown key ingester.cut_max_ages in kiln.yaml: did you mean ingester.cut_max_age?', {
    ingester: { cut_max_ages: '5m' },
  });
  sentence([], 'unknown key nonsense in kiln.yaml', { nonsense: 1 });
  sentence([], 'unknown key config in kiln.yaml', { config: { file: 'x' } });
  sentence([], 'ingester in kiln.yaml must hold settings by name', { ingester: 5 });
  sentence([], 'kiln.yaml must hold settings by name', ['a']);
  sentence([], 'ingester.cut_max_age in kiln.yaml is "5", must be a duration', { ingester: { cut_max_age: 5 } });
  sentence(['--shares=a=1'], '--shares is "a=1", must be JSON');
  sentence([], 'shares in kiln.yaml is no shares by name', { shares: 5 });
  sentence([], 'ingester.cut_max_age in kiln.yaml is a list, must be a duration', { ingester: { cut_max_age: [] } });
});

describe('quantities', () => {
  test('durations are read as Go and Prometheus write them', () => {
    const want = (text: string, ms: number | undefined) => expect(parseDuration(text)).toBe(ms);
    want('1h30m', 5_400_000);
    want('500ms', 500);
    want('7d', 604_800_000);
    want('4w', 2_419_200_000);
    want('1.5h', 5_400_000);
    want('1y', 31_536_000_000);
    want('1y2w3d', 33_004_800_000);
    want('0', 0);
    for (const bad of ['', '5', '-1s', '1 s', 's', '1M', '1h 30m', '1e3s', '9999999999999999w']) want(bad, undefined);
  });

  test('sizes are decimal or binary', () => {
    const want = (text: string, bytes: number | undefined) => expect(parseBytes(text)).toBe(bytes);
    want('64MB', 64_000_000);
    want('64MiB', 67_108_864);
    want('64mib', 67_108_864);
    want('1.5KiB', 1_536);
    want('4096', 4_096);
    for (const bad of ['', 'MB', '-1', '1PB', '1e3', '99999999999TB']) want(bad, undefined);
  });

  test('what is printed is read back', () => {
    const anyNumber = fc.integer({ min: 0, max: 2 ** 45 });
    fc.assert(fc.property(anyNumber, (n) => parseDuration(formatDuration(n)) === n));
    fc.assert(fc.property(anyNumber, (n) => parseBytes(formatBytes(n)) === n));
  });
});

describe('settings as the tree of a file', () => {
  test('are read back as they were', () => {
    const argv = [
      '--port=1',
      '--ingester.cut-max-age=1500ms',
      '--ingester.cut-max-bytes=5000',
      '--names=a,b',
      '--shares={"a":[1]}',
    ];
    for (const config of [load([]), load([...argv, '--auth.multitenancy-enabled', '--distributor.rate-mb=1.5'])]) {
      expect(load([], fileTree(schema, config))).toEqual(config);
      expect(load([], changedTree(schema, config))).toEqual(config);
    }
    expect(fileTree(schema, load(argv))).toMatchObject({
      server: { http_listen_port: 1, log_level: 'info' },
      ingester: { cut_max_age: '1s500ms', cut_max_bytes: 5000 },
      multitenancy_enabled: false,
      names: ['a', 'b'],
      shares: { a: [1] },
    });
  });

  test('hold only what is not the default where that is wanted, and never what only a flag sets', () => {
    expect(changedTree(schema, load(['--config.file=x', '--label=a=1', '--port=4040']))).toEqual({});
    expect(changedTree(schema, load(['--names=a', '--log.level=warn']))).toEqual({
      server: { log_level: 'warn' },
      names: ['a'],
    });
  });

  test('show no secret', () => {
    const key = setting({ key: 'store.key', type: 'string', default: '', meaning: 'Key.', isSecret: true });
    const secret = { store: { key } };
    const config = loadConfig(secret, parseFlags(secret, ['--store.key=hunter2']));
    expect(fileTree(secret, config)).toEqual({ store: { key: '********' } });
    expect(changedTree(secret, config)).toEqual({ store: { key: '********' } });
    expect(fileTree(secret, loadConfig(secret, parseFlags(secret, [])))).toEqual({ store: { key: '' } });
  });
});

test('the help names every flag with default, unit, meaning and key', () => {
  const help = helpText(schema);
  expect(help).toContain('--server.http-listen-port, --port=4040\n      Port. [server.http_listen_port]\n');
  expect(help).toContain('--ingester.cut-max-age=5m\n      Age. (duration) [ingester.cut_max_age]\n');
  expect(help).toContain('--ingester.cut-max-bytes=64MiB\n');
  expect(help).toContain('--log.level=info\n      Level. (one of info, warn) [server.log_level]\n');
  const [group] = Object.keys(schema);
  expect(helpText(schema, { [group!]: 'Title' })).toMatch(/^Title\n {2}--[^]*\n\n/);
});

test('only a near word is suggested', () => {
  expect(nearest('psuh', ['push', 'query'])).toBe('push');
  expect(nearest('prot', ['server.path-prefix', 'port'])).toBe('port');
  expect(nearest('ingester.cut-max-agee', ['ingester.cut-max-bytes', 'ingester.cut-max-age'])).toBe(
    'ingester.cut-max-age',
  );
  // Another word is not offered, however short it is.
  expect(nearest('pull', ['push', 'query'])).toBe(undefined);
  expect(nearest('x', ['o'])).toBe(undefined);
  expect(nearest('top', ['log', 'to', 'help'])).toBe('to');
  expect(nearest('distributor.max-queue', ['distributor.threads', 'distributor.in-flight-max-bytes'])).toBe(undefined);
  expect(nearest('frobnicate', ['push', 'query'])).toBe(undefined);
});
