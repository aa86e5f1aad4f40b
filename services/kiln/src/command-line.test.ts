import { execFileSync } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import protobuf from 'protobufjs';
import { parseFlags } from '@kiln/config';
import { startSchema } from './settings.ts';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { exampleProfile } from './example-profile.ts';
import { run, Running } from './test-terminal.test-support.ts';
import { guessName, pprofOutline, withTimeNanos } from './pprof-outline.ts';
import { parseSelector } from '@kiln/model';
import { parseTime } from './time-text.ts';

interface Seen {
  readonly path: string;
  readonly headers: Record<string, string | string[] | undefined>;
  readonly body: Buffer;
}

let folder: string;
let server: Server;
let url: string;
let seen: Seen[] = [];
let answer: { status: number; body: string | Uint8Array } = { status: 200, body: '' };

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'kiln-cli-'));
  server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      seen.push({ path: request.url!, headers: request.headers, body: Buffer.concat(chunks) });
      response.writeHead(answer.status).end(answer.body);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(async () => {
  server.close();
  await rm(folder, { recursive: true });
});
beforeEach(() => {
  seen = [];
  answer = { status: 200, body: '' };
});

async function types(): Promise<{ push: protobuf.Type; profile: protobuf.Type }> {
  const root = new protobuf.Root();
  root.resolvePath = (_origin, target) => join(import.meta.dirname, '../../../proto', target);
  await root.load(['push/v1/push.proto', 'google/v1/profile.proto']);
  return { push: root.lookupType('push.v1.PushRequest'), profile: root.lookupType('google.v1.Profile') };
}

type Pushed = { series: { labels: { name: string; value: string }[]; samples: { rawProfile: Uint8Array }[] }[] };

async function pushed(index = 0): Promise<{
  labels: Record<string, string>;
  profile: Record<string, unknown> & { timeNanos: { toString(): string } };
}> {
  const { push, profile } = await types();
  const { series } = push.decode(seen[index]!.body) as unknown as Pushed;
  expect(series.length).toBe(1);
  const raw = gunzipSync(series[0]!.samples[0]!.rawProfile);
  return {
    labels: Object.fromEntries(series[0]!.labels.map(({ name, value }) => [name, value])),
    profile: profile.decode(raw) as unknown as Record<string, unknown> & { timeNanos: { toString(): string } },
  };
}

describe('the command line', () => {
  test('unknown words are told with what was probably meant', async () => {
    expect(await run('psuh')).toMatchObject({
      code: 2,
      err: 'kiln: unknown command "psuh": did you mean ./kiln push?\n',
    });
    expect(await run('frobnicate')).toMatchObject({
      code: 2,
      err: 'kiln: unknown command "frobnicate": see ./kiln help\n',
    });
    expect(await run('push', '--lable', 'a=b')).toMatchObject({
      code: 2,
      err: 'kiln push: unknown flag --lable: did you mean --label?\n',
    });
    expect(await run('start', '--ingester.cut-max-aeg=5m')).toMatchObject({ code: 2 });
  });

  test('help names every command, and every setting of each', async () => {
    const { code, out } = await run('help');
    expect(code).toBe(0);
    for (const name of ['start', 'push', 'query', 'ready', 'version', 'test', 'bench', 'sim'])
      expect(out).toContain(`./kiln ${name}`);
    expect((await run()).out).toBe(out);
    const start = (await run('start', '--help')).out;
    expect(start).toContain('--server.http-listen-port, --port=4040');
    expect(start.match(/\n\n[A-Z].*\n {2}--/g)).toHaveLength(Object.keys(startSchema).length);
    expect((await run('help', 'push')).out).toContain('--keep-time=false');
    expect((await run('--version')).out).toMatch(/^kiln \d+\.\d+\.\d+/);
  });

  test('help of an action tells its own flags, and query --help lists the actions', async () => {
    const { out } = await run('query', 'series', '--help');
    expect(out).toMatch(/^\.\/kiln query series '<type>\{selector\}' \[--by/);
    expect(out).toContain('--step=0s');
    expect(out).not.toContain('--limit');
    expect((await run('help', 'query', 'series')).out).toBe(out);
    const all = (await run('query', '--help')).out;
    for (const name of ['profile', 'top', 'series', 'types', 'labels']) expect(all).toContain(`./kiln query ${name} `);
  });

  test('every command and action has an example in its help, which is a command line that can be read', async () => {
    const listed = [...(await run('help')).out.matchAll(/^ {2}\.\/kiln (.*)$/gm)].map(([, line]) => line!.split(' '));
    const named = listed.filter(([name]) => !['test', 'bench', 'sim'].includes(name!));
    expect(named.length).toBeGreaterThan(15);
    for (const [name, action] of named) {
      const help = (await run('help', name!, action ?? '')).out;
      const [, example = ''] = /^For example:\n {2}\.\/kiln (.*)$/m.exec(help) ?? [];
      const words = [...example.matchAll(/'([^']*)'|(\S+)/g)].map(([, quoted, plain]) => quoted ?? plain!);
      expect(words[0], `${name} ${action ?? ''}`).toBe(name);
      if (name === 'start') {
        // It would start.
        expect(parseFlags(startSchema, words.slice(1)).rest).toEqual([]);
        continue;
      }
      const nowhere = help.includes('--url=') ? ['--url', 'http://127.0.0.1:1'] : [];
      // Files and servers are not there: 1. A line that is wrong would be 2.
      expect([(await run(...words, ...nowhere)).code, example]).not.toContain(2);
    }
  });

  test('nothing that answers is one sentence', async () => {
    const closed = createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => closed.on('listening', resolve));
    const at = `http://127.0.0.1:${(closed.address() as AddressInfo).port}`;
    await new Promise((resolve) => closed.close(resolve));
    const { code, err } = await run('ready', '--url', at);
    expect(code).toBe(1);
    expect(err).toBe(
      `kiln ready: no answer from ${at} (ECONNREFUSED): is Kiln running there? ./kiln start runs it, --url names another address\n`,
    );
    expect((await run('ready', '--url', 'localhost:4040')).err).toContain(
      '--url is "localhost:4040", must be like http://',
    );
  });

  test('compact says what the server says, in its words', async () => {
    answer = { status: 503, body: '{"code":"unavailable","message":"the log says \\"no\\""}' };
    expect(await run('compact', '--now', '--url', url)).toMatchObject({
      code: 1,
      err: 'kiln compact: the log says "no" (unavailable)\n',
    });
  });

  test('ready is 0 or 1 and what the server says', async () => {
    answer = { status: 503, body: 'ingester not ready: replaying' };
    expect(await run('ready', '--url', url)).toMatchObject({ code: 1, out: 'ingester not ready: replaying\n' });
    answer = { status: 200, body: 'ready' };
    expect(await run('ready', '--url', `${url}/`)).toMatchObject({ code: 0, out: 'ready\n' });
    expect(seen[1]!.path).toBe('/ready?verbose');
  });
});

describe('in front of a server', () => {
  test('a proxy is told who asks, by the address, by flags and by the environment, and no text repeats it', async () => {
    answer = { status: 200, body: '{}' };
    const secret = url.replace('://', '://ann:p%40ss@');
    expect((await run('query', 'types', '--url', secret, '--tenant=a')).code).toBe(0);
    const basic = `Basic ${Buffer.from('ann:p@ss').toString('base64')}`;
    expect(seen[0]!.headers).toMatchObject({ authorization: basic, 'x-scope-orgid': 'a' });
    const flags = ['--url', url, '--header', 'x-two: 3, 4', '--header=X-Three:'];
    for (const words of [['query', 'types'], ['push', '--example'], ['ready'], ['compact', '--now']])
      await new Running([...words, ...flags], { headers: ['Authorization: Bearer 1', 'X-One: 2'] }).done;
    expect(seen).toHaveLength(5);
    for (const { headers } of seen.slice(1))
      expect(headers).toMatchObject({ authorization: 'Bearer 1', 'x-one': '2', 'x-two': '3, 4', 'x-three': '' });
    expect(await run('ready', '--url', url, '--header', 'secret')).toEqual(
      expect.objectContaining({
        code: 2,
        err: "kiln ready: a header of --header or KILN_HEADERS must be like 'Name: value'\n",
      }),
    );
    answer = { status: 401, body: 'who are you?' };
    const refused = await run('push', '--example', '--url', secret);
    expect(refused).toMatchObject({
      code: 1,
      err: expect.stringContaining(`${url} answered 401, and not as Kiln does`),
    });
    answer = { status: 200, body: '' };
    const sent = await run('push', '--example', '--url', secret);
    expect(sent.out).toContain(`--url ${url}\n`);
    for (const text of [refused.err, sent.out]) expect(text).not.toContain('p%40ss');
  });

  test('what is of no tenant takes none', async () => {
    for (const words of [['ready'], ['compact', '--now']])
      expect(await run(...words, '--tenant=a')).toMatchObject({ code: 2, err: expect.stringContaining('--tenant') });
    expect(seen).toEqual([]);
  });

  test('a certificate that nobody trusts is told as that', async () => {
    const [key, cert] = [join(folder, 'key.pem'), join(folder, 'cert.pem')];
    const made = ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '1', '-subj', '/CN=localhost'];
    try {
      execFileSync('openssl', [...made, '-keyout', key, '-out', cert], { stdio: 'ignore' });
    } catch {
      return; // no openssl here
    }
    const keys = { key: await readFile(key), cert: await readFile(cert) };
    const tls = createTlsServer(keys, (_, response) => response.end());
    await new Promise<void>((resolve) => tls.listen(0, '127.0.0.1', resolve));
    const at = `127.0.0.1:${(tls.address() as AddressInfo).port}`;
    expect((await run('ready', '--url', `https://${at}`)).err).toBe(
      `kiln ready: no answer from https://${at} (DEPTH_ZERO_SELF_SIGNED_CERT): its certificate is signed by nobody whom this machine trusts: set NODE_EXTRA_CA_CERTS to a file with the certificate of who signed it\n`,
    );
    tls.close();
    expect((await run('ready', '--url', url.replace('http:', 'https:'))).err).toContain('is it http:// there?');
  });
});

describe('push', () => {
  test('prints a line that a shell and the server read back, whatever the names hold', async () => {
    const file = join(folder, 'named.pb.gz');
    await writeFile(file, gzipSync(exampleProfile()));
    const line = async (...flags: string[]): Promise<string> =>
      /look at it: \.\/kiln (.*)\n/.exec((await run('push', file, '--url', url, ...flags)).out)![1]!;
    const words = (text: string): string[] =>
      execFileSync('/bin/sh', ['-c', `for word in ${text}; do printf '%s\\n' "$word"; done`])
        .toString()
        .trimEnd()
        .split('\n');
    const service = `it's "quoted" \\ and $HOME`;
    const pasted = words(await line(`--label=service_name=${service}`, '--tenant=a b'));
    expect(pasted.slice(3)).toEqual(['--url', url, '--tenant', 'a b']);
    const [matcher] = parseSelector(pasted[2]!.slice(pasted[2]!.indexOf('{')));
    expect(matcher).toMatchObject({ name: 'service_name', op: '=', value: service });
    expect(await line('--label=service_name=')).toContain('{service_name="unknown_service"}');
  });

  test('sends the file as it is but for its time, under the names that were asked for', async () => {
    const file = join(folder, 'cpu.pb.gz');
    const own = 1_600_000_000_123_456_789n;
    await writeFile(file, gzipSync(withTimeNanos(exampleProfile(), own)));
    const before = Date.now();
    const { code, out } = await run('push', file, '--label', 'region=eu,west', '--tenant=a', '--url', url);
    expect(code).toBe(0);
    expect(out).toContain(
      '__name__=process_cpu region=eu,west service_name=cpu (stamped now, its own time was 2020-09-13T12:26:40.123Z)',
    );
    // The next command, to be pasted.
    expect(out).toContain(
      `look at it: ./kiln query profile 'process_cpu:cpu:nanoseconds:cpu:nanoseconds{service_name="cpu"}' --url ${url} --tenant a\n`,
    );
    expect(seen[0]!.path).toBe('/push.v1.PusherService/Push');
    expect(seen[0]!.headers).toMatchObject({ 'content-type': 'application/proto', 'x-scope-orgid': 'a' });
    const { labels, profile } = await pushed();
    expect(labels).toEqual({ __name__: 'process_cpu', region: 'eu,west', service_name: 'cpu' });
    const stamped = Number(BigInt(profile.timeNanos.toString()) / 1_000_000n);
    expect(stamped).toBeGreaterThanOrEqual(before);
    expect(stamped).toBeLessThanOrEqual(Date.now());
    const original = (await types()).profile.decode(exampleProfile()) as unknown as Record<string, unknown>;
    expect(JSON.stringify({ ...profile, timeNanos: 0 })).toBe(JSON.stringify({ ...original, timeNanos: 0 }));
  });

  test('twice is two profiles, and never at a whole second', async () => {
    await run('push', '--example', '--url', url);
    await run('push', '--example', '--url', url);
    const times = [await pushed(0), await pushed(1)].map(({ profile }) => BigInt(profile.timeNanos.toString()));
    expect(times[0]).not.toBe(times[1]);
    expect(times[0]! % 1_000_000n).not.toBe(0n);
  });

  test('keeps the time when told, takes plain files, and labels win over guesses', async () => {
    const file = join(folder, 'heap.pprof');
    await writeFile(file, withTimeNanos(exampleProfile(), 1n));
    const { out } = await run(
      'push',
      file,
      '--keep-time',
      '--label=service_name=x',
      '--label=__name__=n',
      '--url',
      url,
    );
    expect(out).toContain('(own time 1970-01-01T00:00:00.000Z)');
    const { labels, profile } = await pushed();
    expect(labels).toEqual({ __name__: 'n', service_name: 'x' });
    expect(profile.timeNanos.toString()).toBe('1');
  });

  test('says what a file is that surely is no pprof', async () => {
    const file = join(folder, 'other.gz');
    const said = async (content: string | Uint8Array, ...words: string[]): Promise<string> => {
      await writeFile(file, content);
      return (await run(...words, '--url', url)).err.replaceAll(file, 'F');
    };
    const jfr = 'FLR\0\u0000\u0002\u0000\u0001';
    const isJfr = 'F is a JFR recording (it begins with FLR\\0): only pprof can be sent as a file\n';
    const isJson = 'F is JSON, as of speedscope: only pprof can be sent as a file\n';
    for (const content of [jfr, gzipSync(jfr)]) expect(await said(content, 'push', file)).toBe(`kiln push: ${isJfr}`);
    for (const content of ['{"$schema":"https://www.speedscope.app/file-format-schema.json"}', ' \n[1]'])
      expect(await said(content, 'push', file)).toBe(`kiln push: ${isJson}`);
    expect(await said(jfr, 'import', file, '--journal', join(folder, 'journal'))).toBe(isJfr);
    await writeFile(file, jfr);
    expect((await run('convert', file, join(folder, 'a.svg'))).err).toContain('is a JFR recording');
  });

  test('with its own time refused for its age, it is told of import', async () => {
    const message = 'profile time 2020-09-13T12:26:40.000Z is outside …: older … (reject_older_than is 1h, flag --a)';
    answer = { status: 400, body: JSON.stringify({ code: 'invalid_argument', message }) };
    const file = join(folder, 'old.pb');
    await writeFile(file, exampleProfile());
    const hint = 'kiln import takes it as far back as retention_period';
    expect((await run('push', file, '--keep-time', '--url', url)).err).toContain(hint);
    expect((await run('push', file, '--url', url)).err).not.toContain(hint);
  });

  test('says what is wrong with a file, and what the server refused', async () => {
    const bad = join(folder, 'bad.pb.gz');
    await writeFile(bad, 'no pprof');
    const corrupt = 'corrupt pprof at byte 1: wire type 6';
    expect((await run('push', bad, '--url', url)).err).toBe(`kiln push: ${bad} is no pprof file: ${corrupt}\n`);
    // Of several files too each is named once.
    expect((await run('push', bad, join(folder, 'none'), '--url', url)).err).toBe(
      `${bad} is no pprof file: ${corrupt}\nthere is no ${join(folder, 'none')}\nkiln push: 2 of 2 files were not pushed, as said above\n`,
    );
    expect((await run('import', bad, '--journal', join(folder, 'journal'), '--url', url)).err).toBe(
      `${bad} is no pprof file: ${corrupt}\n`,
    );
    await writeFile(bad, gzipSync(exampleProfile()).subarray(0, 50));
    expect((await run('push', bad, '--url', url)).err).toContain('bad.pb.gz is not whole gzip');
    await writeFile(bad, '');
    expect((await run('push', bad, '--url', url)).err).toBe(`kiln push: ${bad} is empty: it holds no profile\n`);
    expect((await run('push', join(folder, 'none'), '--url', url)).err).toBe(
      `kiln push: there is no ${join(folder, 'none')}\n`,
    );
    expect((await run('push', folder, '--url', url)).code).toBe(1);
    expect((await run('push')).code).toBe(2);
    expect((await run('push', '--example', '--label', 'x')).err).toContain('--label is "x", must be name=value');
    answer = { status: 400, body: JSON.stringify({ code: 'invalid_argument', message: 'label value too long' }) };
    expect(await run('push', '--example', '--url', url)).toMatchObject({
      code: 1,
      err: 'kiln push: label value too long (invalid_argument)\n',
    });
    await writeFile(bad, gzipSync(exampleProfile()));
    expect((await run('push', bad, '--url', url)).err).toBe(
      `kiln push: ${bad}: label value too long (invalid_argument)\n`,
    );
    answer = { status: 502, body: '<html>' };
    expect((await run('push', '--example', '--url', url)).err).toContain('answered 502 "<html>": is it Kiln?');
  });

  test('names are guessed as /ingest guesses them', () => {
    const want = (sampleTypes: string[], name: string) => expect(guessName(sampleTypes)).toBe(name);
    want(['samples', 'cpu'], 'process_cpu');
    want(['alloc_objects', 'alloc_space', 'inuse_objects', 'inuse_space'], 'memory');
    want(['contentions', 'delay'], 'mutex');
    want(['goroutine'], 'goroutines');
    want(['cpu', 'wall'], 'wall');
    want(['space'], 'memory');
    want(['custom'], 'custom');
    expect(pprofOutline(exampleProfile()).sampleTypes).toEqual(['cpu']);
  });
});

describe('query', () => {
  const target = 'process_cpu:cpu:nanoseconds:cpu:nanoseconds{service_name="x"}';
  const graph = {
    names: ['total', 'a'],
    levels: [{ values: ['0', '10', '0', '0'] }, { values: ['0', '10', '10', '1'] }],
    total: '10',
  };

  test('asks for what was written', async () => {
    answer = { status: 200, body: JSON.stringify({ flamegraph: graph }) };
    const { code, out } = await run(
      'query',
      'profile',
      target,
      '--from=1700000000',
      '--to',
      '2023-11-15T00:00:00Z',
      '--url',
      url,
    );
    expect(code).toBe(0);
    expect(out).toMatch(/100\.0% {2}█+ {3}a · 10 ns/);
    expect(seen[0]!.path).toBe('/querier.v1.QuerierService/SelectMergeStacktraces');
    expect(JSON.parse(seen[0]!.body.toString())).toEqual({
      profileTypeID: 'process_cpu:cpu:nanoseconds:cpu:nanoseconds',
      labelSelector: '{service_name="x"}',
      start: 1_700_000_000_000,
      end: 1_700_006_400_000,
      maxNodes: 0,
    });
  });

  test('writes files by their endings', async () => {
    answer = { status: 200, body: JSON.stringify({ flamegraph: graph }) };
    const file = (name: string) => join(folder, name);
    await run('query', 'profile', target, '-o', file('a.svg'), '--url', url);
    expect(await readFile(file('a.svg'), 'utf8')).toContain('<title>a: 100.00%, 10 ns, itself 10 ns</title>');
    await run('query', 'profile', target, '-o', file('a.txt'), '--url', url);
    expect(await readFile(file('a.txt'), 'utf8')).toBe('a 10\n');
    expect((await run('query', 'profile', target, '--output=json', '--url', url)).out).toBe(
      `${JSON.stringify(graph, undefined, 2)}\n`,
    );
    expect((await run('query', 'profile', target, '-o', file('a.xyz'), '--url', url)).err).toContain(
      'has no ending that says what to write',
    );
    expect((await run('query', 'profile', target, '-o', file('none/a.svg'), '--url', url)).err).toBe(
      `kiln query: ${file('none/a.svg')} cannot be written: there is no folder ${file('none')}\n`,
    );
  });

  test('pprof is the bytes of the server, gzip', async () => {
    answer = { status: 200, body: exampleProfile() };
    const { bytes } = await run('query', 'profile', target, '--output', 'pprof', '--url', url);
    expect(new Uint8Array(gunzipSync(bytes))).toEqual(exampleProfile());
    expect(seen[0]!.path).toBe('/querier.v1.QuerierService/SelectMergeProfile');
    expect(seen[0]!.headers['content-type']).toBe('application/proto');
  });

  test('a look further back is hinted at only where it is one', async () => {
    answer = { status: 200, body: '{}' };
    const hint = '--from now-24h looks further back';
    for (const words of [['types'], ['labels'], ['labels', 'pod'], ['profile', target], ['series', target]]) {
      const err = async (from: string): Promise<string> =>
        (await run('query', ...words, '--from', from, '--url', url)).err;
      expect(await err('now-1h')).toContain(hint);
      for (const from of ['now-24h', 'now-31d', '2022-02-01', '1970-01-01'])
        expect(await err(from)).not.toContain(hint);
      expect(await err('now-31d')).not.toMatch(/; \n|\n\n|^; /);
    }
  });

  test('a step of 0 says which it takes, and all exemplars what is not among them', async () => {
    answer = { status: 200, body: '{}' };
    expect((await run('query', 'series', target, '--step=0', '--url', url)).err).toContain(
      'note: --step 0 is one that makes at most 60 points: 1m\n',
    );
    expect((await run('query', 'series', target, '--url', url)).err).not.toContain('note');
    const slot = { exemplars: [{ timestamp: '1700000000000', value: '5', profileId: 'a' }] };
    answer = { status: 200, body: JSON.stringify({ series: [{ slots: [slot] }] }) };
    const note = 'note: these are the largest of each step and size; profiles below them are not listed\n';
    expect((await run('query', 'exemplars', target, '--limit=0', '--url', url)).err).toBe(note);
    expect((await run('query', 'exemplars', target, '--url', url)).err).toBe('');
  });

  test('no data says so', async () => {
    answer = { status: 200, body: '{}' };
    const { code, out, err } = await run('query', 'profile', target, '--url', url);
    expect([code, out]).toEqual([0, '']);
    expect(err).toContain('no profiles of process_cpu:cpu');
  });

  test('mistakes are told without a server', async () => {
    const wrong = async (want: string, ...argv: string[]) => expect((await run('query', ...argv)).err).toContain(want);
    await wrong("query profile takes '<type>{selector}', the selector in quotes: found nothing", 'profile');
    await wrong(
      'query takes profile, top, series, exemplars, heatmap, types, labels, analyze; found "porfile": did you mean profile?',
      'porfile',
    );
    await wrong('found 2 parts, want 5', 'profile', 'cpu:cpu{}');
    await wrong('kiln query: ', 'profile', 'a:b:c:d:e{x=}');
    expect((await run('diff')).err).toBe(
      "kiln diff: diff takes one or two '<type>{selector}', the selectors in quotes: found nothing\n",
    );
    await wrong('--from is "yesterday"', 'profile', target, '--from', 'yesterday');
    await wrong(
      'lies after --to 2026-11-29T23:00:00 (2026-11-29T23:00:00Z)',
      'profile',
      target,
      '--from=2026-11-30',
      '--to=2026-11-29T23:00:00',
    );
    await wrong('must lie between 1970-01-01 and 9999-12-31', 'profile', target, '--from=now-99999999d');
    await wrong('must lie between 1970-01-01 and 9999-12-31', 'profile', target, '--from=now-99999999999999d');
    await wrong('must be one of', 'profile', target, '--output', 'dot');
  });
});

test('times are read in every form that people have', () => {
  const now = 1_700_000_000_000;
  const want = (text: string, ms: number | undefined) => expect(parseTime(text, now)).toBe(ms);
  want('now', now);
  want('now-1h30m', now - 5_400_000);
  want('now+5m', now + 300_000);
  want('now-1y', now - 365 * 86_400_000);
  want('now-1y2w', now - 379 * 86_400_000);
  want('now-2M', now - 60 * 86_400_000);
  want('now-1hour', now - 3_600_000);
  want('now-1.5h', now - 5_400_000);
  want('now-500ms', now - 500);
  want('20231114', Date.UTC(2023, 10, 14));
  for (const first of ['0', '1970-01-01']) want(first, 1);
  want('1700000000', now);
  want('1700000000123', now + 123);
  want('1700000000123456', now + 123);
  want('1700000000123456789', now + 123);
  want('2023-11-14T22:13:20Z', now);
  want('2023-11-14T23:13:20+01:00', now);
  want('2023-11-14', Date.UTC(2023, 10, 14));
  const zone = process.env['TZ'];
  process.env['TZ'] = 'America/New_York';
  expect(new Date(now).getHours()).toBe(17); // or what follows says nothing
  want('2023-11-14T22:13:20', now);
  want('2023-11-14T22:13:20.5', now + 500);
  want('2023-11-14T22:13:20-05:00', now + 5 * 3_600_000);
  if (zone === undefined) delete process.env['TZ'];
  else process.env['TZ'] = zone;
  for (const outside of ['999999999999', 'now-60y', 'now-99999999d', 'now-99999999999999d', 'now+99999999d'])
    want(outside, Number.NaN);
  for (const bad of [
    '',
    'then',
    'now-',
    'now-5',
    '2023-13-01T00:00:00Z',
    '14.11.2023',
    '20231332',
    '12345678901234',
    '12345678901234567890',
  ])
    want(bad, undefined);
});
