import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { fromBinary } from '@bufbuild/protobuf';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { ProfileSchema } from '@kiln/rpc';
import { buildPprof } from '../../../../test/support/profile-builder.ts';
import { run as runLine, Running, type Ran } from '../test-terminal.test-support.ts';

const cpu = 'process_cpu:cpu:nanoseconds:cpu:nanoseconds';

describe('of a running Kiln', () => {
  let folder: string;
  let kiln: Running;
  let url: string;
  const query = (...argv: string[]): Promise<Ran> => runLine('query', ...argv, '--url', url);

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'kiln-query-'));
    kiln = new Running([
      'start',
      '--port=0',
      '--data-dir',
      join(folder, 'data'),
      '--ingester.workers=0',
      '--querier.threads=0',
      '--distributor.threads=0',
      '--compactor.threads=0',
      '--self-profiling.enabled=false',
      '--log.level=error',
    ]);
    url = (await kiln.printed(/ready on (\S+)\n[^]*Ctrl-C/))[1]!;
    const pprof = buildPprof({
      types: [['cpu', 'nanoseconds']],
      periodType: ['cpu', 'nanoseconds'],
      samples: [
        { frames: [{ name: 'walk' }, { name: 'walk' }, { name: 'main' }], values: [9_007_199_254_740_993n] },
        { frames: [{ name: 'say, "hi"' }, { name: 'main' }], values: [7n] },
      ],
    });
    const file = join(folder, 'tree.pb');
    await writeFile(file, pprof);
    for (const pod of ['a', 'b']) {
      const pushed = await runLine(
        'push',
        file,
        '--label=service_name=shop',
        `--label=pod=${pod}`,
        '--label=zone.id=z',
        '--url',
        url,
      );
      if (pushed.code !== 0) throw new Error(pushed.err);
    }
  }, 60_000);
  afterAll(async () => {
    await kiln.stop();
    await rm(folder, { recursive: true });
  });

  const diff = (...argv: string[]): Promise<Ran> => runLine('diff', ...argv, '--url', url);

  test('diff lists what changed between two selections, exactly', async () => {
    const done = await diff(`${cpu}{pod="a"}`, `${cpu}{}`, '--output=json');
    expect(done.code).toBe(0);
    const graph = JSON.parse(done.out) as { leftTicks: string; rightTicks: string };
    expect([graph.leftTicks, graph.rightTicks]).toEqual(['9007199254741000', '18014398509482000']);
    const table = await diff(`${cpu}{pod="a"}`, `${cpu}{}`);
    expect(table.out).toMatch(/^ *\+104\.2 d .* walk$/m);
    expect(table.out).toContain('say, "hi"');
    const same = await diff(`${cpu}{}`);
    expect(same.out.split('\n')[0]).toContain('+0 ns');
  });

  test('diff draws two colours, and writes the pprof of go tool pprof -base', async () => {
    const svg = join(folder, 'diff.svg');
    expect((await diff(`${cpu}{pod="a"}`, `${cpu}{}`, '--call-site', 'main', '-o', svg)).code).toBe(0);
    const drawn = await readFile(svg, 'utf8');
    expect(drawn).toContain('walk: ');
    expect(drawn).toContain(' → ');
    const file = join(folder, 'diff.pb.gz');
    expect((await diff(`${cpu}{}`, `${cpu}{pod="a"}`, '-o', file)).code).toBe(0);
    const {
      sample,
      stringTable,
      location,
      function: functions,
    } = fromBinary(ProfileSchema, gunzipSync(await readFile(file)));
    const sums = new Map<string, bigint>();
    for (const one of sample) {
      const leaf = location.find(({ id }) => id === one.locationId[0])!;
      const fn = functions.find(({ id }) => id === leaf.line[0]!.functionId)!;
      const name = stringTable[Number(fn.name)]!;
      sums.set(name, (sums.get(name) ?? 0n) + one.value[0]!);
    }
    expect(Object.fromEntries(sums)).toEqual({ walk: -9_007_199_254_740_993n, 'say, "hi"': -7n });
    const nothing = await diff(`${cpu}{pod="none"}`, `${cpu}{pod="a"}`);
    expect(nothing.err).toContain('no profiles of');
  });

  test('exemplars lists profiles with ids that profile takes, analyze what would be read', async () => {
    const done = await query('exemplars', `${cpu}{}`, '--output=json');
    const { exemplars, more } = JSON.parse(done.out) as {
      exemplars: { value: string; profileId: string }[];
      more: number;
    };
    expect([exemplars.length, more]).toEqual([1, 0]);
    const { value, profileId } = exemplars[0]!;
    const one = await query('profile', `${cpu}{}`, '--output=json', '--profile-id', profileId);
    expect((JSON.parse(one.out) as { total: string }).total).toBe(value);
    expect((await query('exemplars', `${cpu}{}`)).out).toContain(profileId);
    expect((await query('exemplars', `${cpu}{}`, '--of=spans')).err).toMatch(
      /^no spans in profiles of .*\n--of profiles/,
    );
    const analysis = await query('analyze', `${cpu}{pod="a"}`, '--output=csv');
    expect(analysis.out.split('\n')).toEqual([
      'where,blocks,series,profiles,samples,index,sample pages,symbols',
      'Short term storage,1,1,1,,,,',
      'Long term storage,0,0,0,0,0,0,0',
      '',
    ]);
    expect((await query('analyze', `${cpu}{pod="a"}`)).out).toMatch(/\nShort term storage +1 +1 +1( +-){4}\nLong/);
  });

  test('a name alone is its type where it has one only', async () => {
    const short = await query('top', 'process_cpu{pod="a"}', '--output=json');
    expect(JSON.parse(short.out)).toMatchObject({ profileType: cpu, total: '9007199254741000' });
    expect((await diff('process_cpu{pod="a"}', 'process_cpu', '--output=json')).code).toBe(0);
    expect((await query('profile', 'wall{}')).err).toMatch(
      /^kiln query: wall is the name of no profile type from .*: query types/,
    );
  });

  test('heatmap draws how large profiles are over time, and tells every value and what is left out', async () => {
    const drawn = await query('heatmap', `${cpu}{}`, '--by=pod', '--limit=1');
    expect(drawn.code).toBe(0);
    expect(drawn.out).toMatch(/^profiles by value, .* a step\npod=a\n/);
    expect(drawn.out).toMatch(/^ *104\.2 d +@+$/m);
    expect(drawn.out).toMatch(/values a cell: @ 1\n1 more: --limit 0 draws all\n$/);
    const { series, more } = JSON.parse((await query('heatmap', `${cpu}{}`, '--output=json')).out) as {
      series: { slots: { counts: number[] }[] }[];
      more: number;
    };
    const counts = series.flatMap(({ slots }) => slots.flatMap((slot) => slot.counts));
    expect([counts.reduce((sum, count) => sum + count, 0), more]).toEqual([2, 0]);
    expect((await query('heatmap', `${cpu}{}`, '--by=pod', '--output=csv')).out).toMatch(
      /^pod,time,from,values\na,\S+Z,9007199254741000,1\nb,/,
    );
    expect((await query('heatmap', `${cpu}{}`, '--of=spans')).err).toMatch(
      /^no spans in profiles of .*\n--of profiles/,
    );
  });

  test('profile keeps the samples that flags choose', async () => {
    const collapsed = async (...flags: string[]): Promise<string> =>
      (await query('profile', `${cpu}{pod="a"}`, '--output=collapsed', ...flags)).out;
    expect(await collapsed('--call-site', 'main;walk')).toBe('main;walk;walk 9007199254740993\n');
    expect(await collapsed('--span', '0123456789abcdef')).toBe('');
    const wrong = await query('profile', `${cpu}{}`, '--trace', '12');
    expect([wrong.code, wrong.err]).toEqual([1, expect.stringContaining('trace_id_selector has "12"')]);
    const pprof = await query('profile', `${cpu}{}`, '--call-site', 'main;walk', '-o', join(folder, 'walk.pb'));
    expect(pprof.code).toBe(0);
    const { sample } = fromBinary(ProfileSchema, gunzipSync(await readFile(join(folder, 'walk.pb'))));
    expect(sample.map(({ value }) => value)).toEqual([[18_014_398_509_481_986n]]);
  });

  test('types tells each type and what it is made of', async () => {
    expect((await query('types')).out).toBe(
      `profile type                                 name         sample type      period type\n${cpu}  process_cpu  cpu/nanoseconds  cpu/nanoseconds\n`,
    );
    expect(JSON.parse((await query('types', '--output=json')).out)).toMatchObject({ profileTypes: [{ ID: cpu }] });
    expect((await query('types', '--output=csv')).out).toContain(`\n${cpu},process_cpu,cpu/nanoseconds,`);
  });

  test('labels lists names, all of them, and values, within a selector', async () => {
    expect((await query('labels')).out.split('\n')).toEqual(
      expect.arrayContaining(['__profile_type__', 'pod', 'service_name', 'zone.id']),
    );
    expect((await query('labels', 'pod')).out).toBe('a\nb\n');
    expect((await query('labels', 'pod', '{pod!="a"}')).out).toBe('b\n');
    expect((await query('labels', '{pod="none"}')).err).toMatch(/^no labels of \{pod="none"\} from /);
    expect(await query('labels', 'nope')).toMatchObject({
      code: 0,
      out: '',
      err: expect.stringMatching(/^no values of the label nope of any series from .*\n.*query labels lists the names/),
    });
    expect((await query('labels', 'pod', '--output=json')).out).toBe('{\n  "names": [\n    "a",\n    "b"\n  ]\n}\n');
  });

  test('top sums functions exactly, a recursion once per stack', async () => {
    const asked = await query('top', `${cpu}{service_name="shop"}`, '--output=json');
    expect(JSON.parse(asked.out)).toMatchObject({
      profileType: cpu,
      selector: '{service_name="shop"}',
      total: '18014398509482000',
      functionCount: 3,
      functions: [
        { name: 'walk', self: '18014398509481986', total: '18014398509481986' },
        { name: 'say, "hi"', self: '14', total: '14' },
        { name: 'main', self: '0', total: '18014398509482000' },
      ],
    });
    expect((await query('top', cpu, '--sort=total', '--output=csv', '--limit=0')).out).toBe(
      'function,self,total\nmain,0,18014398509482000\nwalk,18014398509481986,18014398509481986\n"say, ""hi""",14,14\n',
    );
    expect((await query('top', `${cpu}{pod="a"}`, '--limit=1')).out).toBe(
      '104.2 d in all\n' +
        '   self   share    total   share  function\n' +
        '104.2 d  100.0%  104.2 d  100.0%  walk\n' +
        '2 more functions: --limit 0 lists all\n',
    );
  });

  test('what is held at an instant is summed with a note, and averaged where it is asked for, as the page does', async () => {
    const heap = 'memory:inuse_space:bytes:space:bytes{service_name="heap"}';
    const file = join(folder, 'heap.pb');
    await writeFile(
      file,
      buildPprof({
        types: [['inuse_space', 'bytes']],
        periodType: ['space', 'bytes'],
        samples: [
          { frames: [{ name: 'keep' }, { name: 'main' }], values: [1000n] },
          { frames: [{ name: 'main' }], values: [1n] },
        ],
      }),
    );
    for (let i = 0; i < 3; i++)
      expect((await runLine('push', file, '--label=service_name=heap', '--url', url)).code).toBe(0);
    const summed = await query('top', heap, '--output=csv');
    expect(summed.out).toBe('function,self,total\nkeep,3000,3000\nmain,3,3003\n');
    expect(summed.err).toMatch(
      /^note: a sum of all profiles in the range; inuse_space is held at an instant: --aggregation average/,
    );
    expect((await query('top', heap, '--aggregation=sum')).err).toBe('');
    const averaged = await query('top', heap, '--output=csv', '--aggregation=average', '--sort=total');
    expect(averaged).toMatchObject({ out: 'function,self,total\nmain,1,1001\nkeep,1000,1000\n', err: '' });
    expect(JSON.parse((await query('top', heap, '--output=json', '--aggregation=average')).out)).toMatchObject({
      aggregation: 'average',
      total: '1001',
    });
    expect((await query('top', heap, '--aggregation=average')).out).toMatch(/^1,001 bytes in all\n/);
    const profile = (...flags: string[]): Promise<Ran> => query('profile', heap, '--aggregation=average', ...flags);
    expect((await profile('--output=collapsed')).out).toBe('main 1\nmain;keep 1000\n');
    expect((await profile()).out).toMatch(/1,001 bytes in all\n/);
    expect(await profile('--output=pprof')).toMatchObject({ code: 2, err: expect.stringContaining('whole numbers') });
    expect((await profile('--call-site=main')).err).toContain('of whole profiles');
    expect((await query('profile', heap, '-o', join(folder, 'heap.svg'))).err).toMatch(/^note: a sum of all/);
    const steps = ['series', heap, '--step=2h'];
    const csv = await query(...steps, '--output=csv');
    expect(csv.out).toMatch(/,3003\n$/);
    expect(csv.err).toMatch(/^note: a sum of all profiles of a step in each point; inuse_space/);
    expect(await query(...steps, '--output=csv', '--aggregation=average')).toMatchObject({
      out: expect.stringMatching(/^time,value\n2\S+,1001\n$/) as string,
      err: '',
    });
    expect((await query(...steps, '--aggregation=average')).out).toMatch(/smallest.*largest.*last\n.* 1,001 bytes\n$/);
    expect((await diff(heap, '--base-from=now-2h', '--base-to=now-1h')).err).toMatch(
      /^note: a sum of all profiles of each range; inuse_space/,
    );
  });

  test('series sums by label, as lines where they fit, as points where not, as plain numbers', async () => {
    const target = `${cpu}{service_name="shop"}`;
    const drawn = (await query('series', target, '--by=pod')).out;
    expect(drawn).toMatch(/, 1m a point\npod {2}over time .* sum +largest +last\na {2}.*█ +104\.2 d +104\.2 d +/);
    const narrow = new Running(['query', 'series', target, '--by=pod,zone.id', '--url', url], { columns: 40 });
    expect((await narrow.done).out).toMatch(/^pod {2}zone\.id {2}time +value\na +z +2\d{3}-.*Z {2}104\.2 d\nb /);
    expect((await query('series', target, '--output=csv', '--step=2h')).out).toMatch(
      /^time,value\n2\d{3}-\S+Z,18014398509482000\n$/,
    );
    expect(JSON.parse((await query('series', target, '--output=json', '--step=2h')).out)).toMatchObject({
      series: [{ points: [{ value: 18_014_398_509_482_000 }] }],
    });
  });

  test('every list goes into a file too, in the format that its ending says', async () => {
    const into = async (name: string, ...argv: string[]): Promise<string> => {
      const file = join(folder, name);
      expect(await query(...argv, '-o', file)).toMatchObject({ code: 0, out: '', err: `wrote ${file}\n` });
      return readFile(file, 'utf8');
    };
    const range = [`--from=${Date.now() - 600_000}`, `--to=${Date.now() + 600_000}`];
    for (const words of [['top', cpu], ['series', cpu, '--by=pod'], ['types'], ['labels', 'pod'], ['exemplars', cpu]]) {
      const argv = [...words, ...range];
      expect(await into('list.csv', ...argv)).toBe((await query(...argv, '--output=csv')).out);
      expect(JSON.parse(await into('list.json', ...argv))).toBeTypeOf('object');
    }
    expect(await into('top.txt', 'top', cpu)).toContain('in all\n');
    for (const action of ['heatmap', 'analyze']) expect(await into('one.txt', action, cpu)).not.toBe('');
    expect(await query('top', cpu, '-o', 'top.svg')).toMatchObject({
      code: 2,
      err: 'kiln query: top.svg has no ending that says what to write: .csv, .json, .txt, or add --output\n',
    });
  });

  test('nothing found says where it was looked for and what to try', async () => {
    for (const action of ['top', 'series', 'profile']) {
      expect(await query(action, `${cpu}{service_name="none"}`)).toMatchObject({
        code: 0,
        out: '',
        err: expect.stringMatching(
          /^no profiles of process_cpu:\S+\{service_name="none"\} from 2\S+ to 2\S+\n\.\/kiln query types lists what there is; --from now-24h/,
        ),
      });
    }
    const range = ['--from=now-3h', '--to=now-2h'];
    expect((await query('types', ...range)).err).toMatch(/^no profiles at all from .*\n--from now-24h/);
    expect((await query('top', `${cpu}{service_name="none"}`, '--output=csv')).out).toBe('function,self,total\n');
  });

  // Last, because it is of a type that the others do not count with.
  test('and where what is selected has one only, whatever others have', async () => {
    const counts = buildPprof({
      types: [['samples', 'count']],
      periodType: ['cpu', 'nanoseconds'],
      samples: [{ frames: [{ name: 'main' }], values: [1n] }],
    });
    await writeFile(join(folder, 'counts.pb'), counts);
    const labels = ['--label=service_name=other', '--label=__name__=process_cpu'];
    expect((await runLine('push', join(folder, 'counts.pb'), ...labels, '--url', url)).code).toBe(0);
    expect((await query('top', 'process_cpu{}')).err).toMatch(/process_cpu has 2 types, name one of them: .*, /);
    expect(JSON.parse((await query('top', 'process_cpu{pod="a"}', '--output=json')).out)).toMatchObject({
      profileType: cpu,
    });
    expect((await query('top', 'process_cpu{pod="none"}')).err).toContain('process_cpu has 2 types');
  });
});

describe('of any server', () => {
  let server: Server;
  let url: string;
  let answer: { headers: Record<string, string>; body: string };
  let seen: { path: string; tenant: string | undefined; body: string }[];
  const query = (...argv: string[]): Promise<Ran> => runLine('query', ...argv, '--url', url);

  beforeAll(async () => {
    server = createServer((request, response) => {
      let body = '';
      request.on('data', (chunk: Buffer) => (body += chunk.toString()));
      request.on('end', () => {
        seen.push({ path: request.url!, tenant: request.headers['x-scope-orgid'] as string | undefined, body });
        response.writeHead(200, answer.headers).end(answer.body);
      });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  afterAll(() => server.close());
  beforeEach(() => {
    seen = [];
    answer = { headers: {}, body: '{}' };
  });

  test('every question takes range and tenant', async () => {
    const flags = ['--from=1700000000', '--to=1700000600', '--tenant=t'];
    const range = { start: 1_700_000_000_000, end: 1_700_000_600_000 };
    await query('types', ...flags);
    await query('labels', ...flags);
    await query('labels', 'pod', '{a="b"}', ...flags);
    await query('series', `${cpu}{a="b"}`, '--by=x,y', '--step=5m', ...flags);
    await query(...flags, 'profile', cpu);
    expect(seen.map(({ path, tenant }) => [path.replace('/querier.v1.QuerierService/', ''), tenant])).toEqual([
      ['ProfileTypes', 't'],
      ['LabelNames', 't'],
      ['LabelValues', 't'],
      ['SelectSeries', 't'],
      ['SelectMergeStacktraces', 't'],
    ]);
    const bodies = seen.map(({ body }) => JSON.parse(body) as unknown);
    expect(bodies[0]).toEqual(range);
    expect(bodies[1]).toEqual({ matchers: [], ...range });
    expect(bodies[2]).toEqual({ name: 'pod', matchers: ['{a="b"}'], ...range });
    expect(bodies[3]).toEqual({
      profileTypeID: cpu,
      labelSelector: '{a="b"}',
      groupBy: ['x', 'y'],
      step: 300,
      start: 1_700_000_300_000,
      end: 1_700_000_600_000,
    });
  });

  test('a partial answer is told, and given all the same', async () => {
    answer = { headers: { 'x-kiln-partial': 'log 7 (3, 9] owner unreachable' }, body: '{"names":["a"]}' };
    const told = 'the answer is partial, it may lack profiles: log 7 (3, 9] owner unreachable\n';
    expect(await query('labels')).toEqual(expect.objectContaining({ code: 0, out: 'a\n', err: told }));
    answer.body = '';
    expect((await query('top', cpu)).err).toContain(told);
    answer.body = '{}';
    for (const argv of [['types'], ['series', cpu], ['profile', cpu]])
      expect((await query(...argv)).err).toContain(told);
  });

  test('what the answer took is told where it is asked for', async () => {
    answer = {
      headers: { 'server-timing': 'read;dur=12;desc="objects 3, bytes 81234, resolution 15m"' },
      body: '{"names":["a"]}',
    };
    expect(await query('labels')).toMatchObject({ out: 'a\n', err: '' });
    expect(await query('labels', '--stats')).toMatchObject({
      out: 'a\n',
      err: 'read in 12 ms: objects 3, bytes 81234, resolution 15m\n',
    });
    answer.headers = {};
    expect((await query('labels', '--stats')).err).toBe('the server does not say what the answer took\n');
  });

  test('names cannot steer the screen', async () => {
    answer.body = JSON.stringify({ names: ['\u001b[31mred\u0007'] });
    expect((await query('labels')).out).toBe('?[31mred?\n');
  });

  test('a name that has several types is told with them', async () => {
    answer.body = JSON.stringify({ profileTypes: ['a', 'b'].map((type) => ({ ID: `m:${type}:c:d:e`, name: 'm' })) });
    expect(await query('series', 'm{}')).toMatchObject({
      code: 1,
      err: 'kiln query: m has 2 types, name one of them: m:a:c:d:e, m:b:c:d:e\n',
    });
  });

  test('an answer that is no JSON is a sentence', async () => {
    answer.body = '<html>';
    expect(await query('types')).toMatchObject({
      code: 1,
      err: `kiln query: ${url} answered "<html>", which is not JSON: is it Kiln?\n`,
    });
  });

  test('mistakes are told without a server', async () => {
    const wrong = async (want: string, ...argv: string[]): Promise<void> => {
      const { code, err } = await query(...argv);
      expect(err).toContain(want);
      expect(code).toBeGreaterThan(0);
    };
    await wrong('query takes profile, top, series, exemplars, heatmap, types, labels, analyze; found nothing');
    await wrong('query types takes only flags, found "cpu"', 'types', 'cpu');
    await wrong("query top takes '<type>{selector}', the selector in quotes: found 2 words", 'top', cpu, '{}');
    await wrong('found 2 parts, want 5', 'series', 'cpu:cpu{}');
    await wrong('query types lists those that there are', 'series', 'cpu:cpu{}');
    await wrong('at most one name and one', 'labels', 'a', 'b');
    await wrong('kiln query: ', 'labels', '{a=}');
    await wrong('--step is "5", must be a duration', 'series', cpu, '--step=5');
    await wrong('--limit is -1, must be at least 0', 'top', cpu, '--limit=-1');
    await wrong('--output is "yaml", must be one of table, json, csv', 'types', '--output=yaml');
    await wrong('unknown flag --limt: did you mean --limit?', 'top', cpu, '--limt=3');
    expect(seen).toEqual([]);
  });
});
