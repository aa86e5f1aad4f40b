import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { tinyPprof } from '../process/tiny-pprof.ts';
import { profileForm, pushBytes } from '../support/http-client.ts';
import { kilnIsBuilt, kilnMain, startKiln, type RunningKiln } from '../support/kiln-process.ts';
import { MarkedTenants, manyTenants } from '../support/marked-tenants.ts';
import { protocols, rawCall, rpcCall, transports } from '../support/rpc-call.ts';
import { requireService } from '../support/services.ts';

/** Every route × broken input of contract/pyroscope.md §9.2, with the exceptions of §11, over every protocol and both HTTPs. */
const built = requireService('kiln', kilnIsBuilt(), `${kilnMain} is not built`);
const QUERIER = '/querier.v1.QuerierService';
const PUSH = '/push.v1.PusherService/Push';
const TYPE = 'process_cpu:cpu:nanoseconds:cpu:nanoseconds';
const now = Date.now();
const range = { start: now - 60_000, end: now };

let dir = '';
let kiln: RunningKiln;
let neighbours: MarkedTenants;
beforeAll(async () => {
  if (!built) return;
  dir = mkdtempSync(join(tmpdir(), 'kiln-status-'));
  kiln = await startKiln({ dataDir: dir, flags: [manyTenants] });
  neighbours = new MarkedTenants(dir);
  await neighbours.push(kiln.url);
});
afterAll(async () => {
  if (!built) return;
  await neighbours.look(kiln);
  await kiln.stop();
  rmSync(dir, { recursive: true, force: true });
});

const statusOf: Readonly<Record<string, number>> = {
  ok: 200,
  invalid_argument: 400,
  unauthenticated: 401,
  resource_exhausted: 429,
  unimplemented: 501,
};

interface Row {
  readonly what: string;
  readonly path: string;
  /** JSON, as an object or as text. */
  readonly body: unknown;
  readonly code: string;
  readonly sentence?: RegExp;
  readonly headers?: Readonly<Record<string, string>>;
  /** Of Connect, where it is not the code's own. */
  readonly status?: number;
}

const call = (method: string, what: string, body: unknown, code: string, sentence?: RegExp): Row => ({
  what,
  path: `${QUERIER}/${method}`,
  body,
  code,
  ...(sentence === undefined ? {} : { sentence }),
});
const bad = (method: string, what: string, body: unknown, sentence: RegExp): Row =>
  call(method, what, body, 'invalid_argument', sentence);
const good = (method: string, what: string, body: unknown): Row => call(method, what, body, 'ok');

const selects = [
  'SelectMergeStacktraces',
  'SelectMergeProfile',
  'SelectMergeSpanProfile',
  'SelectSeries',
  'SelectHeatmap',
];
const discoveries = ['ProfileTypes', 'LabelNames', 'LabelValues', 'Series'];
const select = { profileTypeID: TYPE, labelSelector: '{}', ...range, step: 10, queryType: 1 };
const span = '0123456789abcdef';
const diffs = (side: object): object[] => [
  { left: side, right: select },
  { left: select, right: side },
];
const named = (method: string): object => (method === 'LabelValues' ? { name: 'service_name' } : {});

const rows: readonly Row[] = [
  ...[...selects, ...discoveries].flatMap((method) => [
    bad(method, 'broken JSON', '{"start":', /JSON/),
    bad(method, 'an empty body as JSON', '', /JSON/),
    bad(method, 'a list instead of a message', '[]', /JSON/),
    bad(method, 'text instead of a number', { start: 'yesterday' }, /start/),
    bad(method, 'start after end', { ...select, ...named(method), start: 2, end: 1 }, /start 2 is after end 1/),
    {
      ...call(method, 'no tenant', {}, 'unauthenticated', /^no org id: .*X-Scope-OrgID.*auth\.multitenancy-enabled/),
      headers: { 'x-scope-orgid': '' },
    },
    { ...bad(method, 'a bad tenant', {}, /invalid org id "a\/b"/), headers: { 'x-scope-orgid': 'a/b' } },
  ]),
  // §11: no range = the tenant's whole retention, on all four.
  ...discoveries.map((method) => good(method, 'no range', named(method))),
  ...discoveries.map((method) => good(method, 'a range in 1970', { ...named(method), start: 1, end: 2 })),
  good('ProfileTypes', 'both zero', { start: 0, end: 0 }),
  good('ProfileTypes', 'a negative start', { start: -1, end: now }),
  good('ProfileTypes', 'both negative', { start: -2, end: -1 }),
  bad('LabelValues', 'a missing name', { ...range }, /name is required/),
  bad('LabelValues', 'an empty name', { name: '', ...range }, /name is required/),
  ...['LabelNames', 'LabelValues', 'Series'].flatMap((method) => [
    bad(method, 'a bad matcher', { ...named(method), ...range, matchers: ['{a='] }, /selector at character 4/),
    bad(method, 'a bad expression', { ...named(method), ...range, matchers: ['{a=~"("}'] }, /invalid/),
    good(method, 'a matcher', { ...named(method), ...range, matchers: ['{service_name=~"a.*"}'] }),
  ]),
  ...selects.flatMap((method) => [
    bad(method, 'a missing type', { ...select, profileTypeID: undefined }, /profile type/),
    bad(method, 'an empty type', { ...select, profileTypeID: '' }, /profile type/),
    bad(method, 'a malformed type', { ...select, profileTypeID: 'process_cpu:cpu' }, /"process_cpu:cpu"/),
    bad(method, 'a missing selector', { ...select, labelSelector: undefined }, /selector/),
    bad(method, 'a bad selector', { ...select, labelSelector: '{a' }, /selector at character/),
    bad(method, 'no range', { ...select, start: undefined, end: undefined }, /missing time range/),
    bad(method, 'no end', { ...select, end: undefined }, /missing time range/),
    bad(method, 'a time beyond all clocks', { ...select, end: '9223372036854775807' }, /9223372036854775807/),
    good(method, 'all it needs', select),
    good(method, 'a range in 1970', { ...select, start: 1, end: 2 }),
  ]),
  bad('SelectMergeStacktraces', 'too many nodes', { ...select, maxNodes: 2_000_000 }, /max_flamegraph_nodes_max/),
  bad('SelectSeries', 'no step', { ...select, step: undefined }, /step 0/),
  bad('SelectSeries', 'a negative step', { ...select, step: -1 }, /step -1/),
  ...['SelectMergeStacktraces', 'SelectMergeSpanProfile'].flatMap((method) => [
    good(method, 'format 2', { ...select, format: 2 }),
    good(method, 'a format of a later version', { ...select, format: 'PROFILE_FORMAT_SANDWICH' }),
    good(method, 'max nodes', { ...select, maxNodes: 16 }),
    bad(method, '-1 nodes', { ...select, maxNodes: -1 }, /max_nodes -1/),
    bad(method, '10^9 nodes', { ...select, maxNodes: 1_000_000_000 }, /max_flamegraph_nodes_max/),
    good(method, 'a span', { ...select, spanSelector: [span] }),
    bad(method, 'a short span', { ...select, spanSelector: ['0123'] }, /span_selector has "0123", want 16 hex/),
    bad(method, 'a span that is no hex', { ...select, spanSelector: ['0123456789abcdeg'] }, /want 16 hex/),
  ]),
  ...['SelectMergeStacktraces', 'SelectMergeProfile'].flatMap((method) => [
    good(method, 'a trace', { ...select, traceIdSelector: [span + span] }),
    bad(method, 'a trace of 16 digits', { ...select, traceIdSelector: [span] }, /want 32 hex digits/),
    good(method, 'a profile', { ...select, profileIdSelector: ['01234567-89ab-cdef-0000-000000000000'] }),
    bad(method, 'a profile that is no UUID', { ...select, profileIdSelector: ['x'] }, /has "x", want a UUID/),
    good(method, 'a call site', { ...select, stackTraceSelector: { callSite: [{ name: 'main' }] } }),
  ]),
  bad(
    'SelectMergeStacktraces',
    'a span and a trace',
    { ...select, spanSelector: [span], traceIdSelector: [span + span] },
    /cannot be sent together/,
  ),
  good('SelectMergeStacktraces', 'DOT', { ...select, format: 'PROFILE_FORMAT_DOT' }),
  good('SelectMergeProfile', 'a node', { ...select, maxNodes: 1 }),
  bad('SelectMergeProfile', '-1 nodes', { ...select, maxNodes: -1 }, /max_nodes -1/),
  ...['EXEMPLAR_TYPE_INDIVIDUAL', 'EXEMPLAR_TYPE_SPAN'].map((exemplarType) =>
    good('SelectSeries', exemplarType, { ...select, exemplarType }),
  ),
  bad('SelectHeatmap', 'no step', { ...select, step: undefined }, /step 0/),
  bad('SelectHeatmap', 'no query type', { ...select, queryType: undefined }, /query_type is missing/),
  bad('SelectHeatmap', 'a moment', { ...select, start: range.end }, /starts before it ends/),
  bad('SelectHeatmap', '-1 series', { ...select, limit: -1 }, /limit -1/),
  bad('SelectHeatmap', 'exemplars of another type', { ...select, exemplarType: 3 }, /exemplar_type asks for spans/),
  good('Diff', 'two sides', { left: select, right: select }),
  good('Diff', 'different nodes and types', {
    left: { ...select, maxNodes: 5 },
    right: { ...select, profileTypeID: 'memory:inuse_space:bytes:space:bytes' },
  }),
  good('Diff', 'a side in 1970', { left: { ...select, start: 1, end: 2 }, right: select }),
  bad('Diff', 'nothing', {}, /left: missing/),
  bad('Diff', 'no right side', { left: select }, /right: missing/),
  ...diffs({ ...select, profileTypeID: 'cpu' }).map((body) => bad('Diff', 'a bad type', body, /(left|right): .*"cpu"/)),
  ...diffs({ ...select, labelSelector: '{a' }).map((body) =>
    bad('Diff', 'a bad selector', body, /(left|right): .*selector at character/),
  ),
  ...diffs({ ...select, start: 2, end: 1 }).map((body) =>
    bad('Diff', 'a reversed range', body, /(left|right): .*start 2 is after end 1/),
  ),
  good('GetProfileStats', 'nothing', {}),
  { ...bad('GetProfileStats', 'two tenants', {}, /of one tenant: found a, b/), headers: { 'x-scope-orgid': 'a|b' } },
  good('AnalyzeQuery', 'a type and a selector', { ...range, query: `${TYPE}{service_name="a"}` }),
  good('AnalyzeQuery', 'a selector', { ...range, query: '{}' }),
  bad('AnalyzeQuery', 'a bad selector', { ...range, query: '{a' }, /selector at character/),
  { ...call('Nothing', 'a method that is not there', {}, 'unimplemented', /no method .*Nothing/), status: 404 },
  { ...call('x/ProfileTypes', 'a path below one', {}, 'unimplemented', /no method .*x.ProfileTypes/), status: 404 },
  {
    what: 'a service that is not there',
    path: '/settings.v1.RecordingRulesService/ListRecordingRules',
    body: {},
    code: 'unimplemented',
    status: 404,
    sentence: /nothing is served under/,
  },
  ...(
    [
      ['broken JSON', '{"series":', 'invalid_argument', /not JSON/],
      ['an empty body as JSON', '', 'invalid_argument', /not JSON/],
      ['no series', {}, 'invalid_argument', /no profiles received/],
      ['a series without samples', { series: [{ labels: [] }] }, 'invalid_argument', /no profiles received/],
      [
        'what is not base64',
        { series: [{ samples: [{ rawProfile: '?' }] }] },
        'invalid_argument',
        /rawProfile is not base64/,
      ],
      // §11: 400, never a fault of the server.
      [
        'what is no pprof',
        { series: [{ labels: labelsOf(), samples: [{ rawProfile: 'aGVsbG8=' }] }] },
        'invalid_argument',
        /./,
      ],
      [
        'a gzip that is none',
        { series: [{ labels: labelsOf(), samples: [{ rawProfile: 'H4sIAAAA' }] }] },
        'invalid_argument',
        /gzip/,
      ],
    ] as const
  ).map(([what, body, code, sentence]) => ({ what, path: PUSH, body, code, sentence })),
  {
    what: 'no tenant',
    path: PUSH,
    body: {},
    code: 'unauthenticated',
    sentence: /^no org id: .*X-Scope-OrgID.*auth\.multitenancy-enabled/,
    headers: { 'x-scope-orgid': '' },
  },
  {
    what: 'two tenants',
    path: PUSH,
    body: {},
    code: 'invalid_argument',
    sentence: /one tenant/,
    headers: { 'x-scope-orgid': 'a|b' },
  },
];

function labelsOf(): object[] {
  return [
    { name: '__name__', value: 'process_cpu' },
    { name: 'service_name', value: 'table' },
  ];
}

describe.skipIf(!built)('over Connect, gRPC and gRPC-Web, HTTP/1.1 and HTTP/2', { timeout: 60_000 }, () => {
  test.each(rows)('$path with $what is $code', async ({ path, body, code, sentence, headers = {}, status }) => {
    const found: unknown[] = [];
    for (const protocol of protocols) {
      for (const transport of transports) {
        const answer = await rpcCall(kiln.url, {
          protocol,
          transport,
          path,
          body: typeof body === 'string' ? body : JSON.stringify(body),
          json: true,
          headers: { 'x-scope-orgid': 'table', ...headers },
        });
        // The reader has checked the form; the status is the code's in Connect, and always 200 in gRPC.
        const wanted = protocol === 'connect' ? (status ?? statusOf[code]) : 200;
        expect([protocol, transport, answer.code, answer.status]).toEqual([protocol, transport, code, wanted]);
        found.push(answer.sentence);
      }
    }
    expect(found).toEqual(found.map(() => found[0]));
    expect(found[0]).toMatch(sentence ?? /^$/);
  });

  test('a body beyond the limit of the query service is resource_exhausted', async () => {
    for (const protocol of protocols) {
      for (const transport of transports) {
        const body = JSON.stringify({ matchers: ['x'.repeat(5 * 1024 * 1024)] });
        const headers = { 'x-scope-orgid': 'table' };
        const answer = await rpcCall(kiln.url, {
          protocol,
          transport,
          path: `${QUERIER}/Series`,
          body,
          json: true,
          headers,
        });
        expect([protocol, transport, answer.code]).toEqual([protocol, transport, 'resource_exhausted']);
      }
    }
  });

  test('what the protocol does not allow is refused in its words', async () => {
    const body = new Uint8Array(0);
    for (const transport of transports) {
      for (const [path, sentAs] of [
        [PUSH, pushBytes([])],
        [`${QUERIER}/ProfileTypes`, body],
      ] as const) {
        const connect = (headers: Record<string, string>): Promise<unknown> =>
          rpcCall(kiln.url, {
            protocol: 'connect',
            transport,
            path,
            body: sentAs,
            headers: { 'x-scope-orgid': 'a', ...headers },
          }).then(({ code, status }) => [code, status]);
        expect(await connect({ 'content-encoding': 'br' })).toEqual(['unimplemented', 501]);
        expect(await connect({ 'connect-protocol-version': '2' })).toEqual(['invalid_argument', 400]);
        expect(await connect({ 'connect-timeout-ms': '1s' })).toEqual(['invalid_argument', 400]);
        for (const protocol of ['grpc', 'grpcweb'] as const) {
          const grpc = (headers: Record<string, string>): Promise<unknown> =>
            rpcCall(kiln.url, {
              protocol,
              transport,
              path,
              body: sentAs,
              headers: { 'x-scope-orgid': 'a', ...headers },
            }).then(({ code }) => code);
          expect(await grpc({ 'grpc-encoding': 'br' })).toBe('unimplemented');
          expect(await grpc({ 'grpc-timeout': 'soon' })).toBe('invalid_argument');
        }
      }
    }
  });
});

describe.skipIf(!built)('whatever the protocol', () => {
  const paths = [PUSH, `${QUERIER}/ProfileTypes`, `${QUERIER}/Series`, '/ingest', '/pyroscope/ingest'];

  test.each(paths)('%s takes no other method than POST', async (path) => {
    for (const transport of transports) {
      for (const method of ['GET', 'PUT', 'DELETE', 'PATCH', 'HEAD', 'OPTIONS']) {
        for (const type of ['application/json', 'application/grpc', 'application/grpc-web']) {
          const answer = await rawCall(kiln.url, { transport, method, path, headers: { 'content-type': type } });
          expect([method, answer.status, answer.headers['allow']]).toEqual([method, 405, 'POST']);
          if (method !== 'HEAD') expect(answer.body.toString()).toContain(`method ${method} is not allowed`);
        }
      }
    }
  });

  test.each(['/ready', '/metrics', '/api/v1/status/buildinfo', '/'])(
    '%s takes no other method than GET',
    async (path) => {
      for (const transport of transports) {
        for (const method of ['POST', 'PUT', 'DELETE', 'PATCH']) {
          const answer = await rawCall(kiln.url, { transport, method, path });
          expect([method, answer.status, answer.headers['allow']]).toEqual([method, 405, 'GET, HEAD']);
        }
        expect((await rawCall(kiln.url, { transport, method: 'GET', path })).status).toBe(200);
      }
    },
  );

  test('another content type is 415 and told which there are', async () => {
    for (const transport of transports) {
      for (const path of [PUSH, `${QUERIER}/ProfileTypes`]) {
        for (const type of ['text/plain', 'application/x-protobuf', 'application/grpc+thrift', '', undefined]) {
          const headers = { 'x-scope-orgid': 'a', ...(type === undefined ? {} : { 'content-type': type }) };
          const answer = await rawCall(kiln.url, { transport, method: 'POST', path, headers, body: '{}' });
          expect([path, type, answer.status, answer.headers['accept-post']]).toEqual([
            path,
            type,
            415,
            expect.stringMatching(/application\/proto.*application\/json.*application\/grpc.*application\/grpc-web/),
          ]);
          expect(JSON.parse(answer.body.toString())).toMatchObject({
            message: expect.stringContaining('content type'),
          });
        }
      }
    }
  });

  test.each([
    '/render',
    '/render-diff',
    '/labels',
    '/label-values',
    '/api/apps',
    '/config',
    '/flush',
    '/pyroscope/labels',
    '/pyroscope/api/x',
    '/api/v1/none',
  ])('%s does not exist', async (path) => {
    for (const transport of transports) {
      for (const method of ['GET', 'POST']) {
        const answer = await rawCall(kiln.url, { transport, method, path });
        expect([answer.status, answer.headers['content-type']]).toEqual([404, 'application/json']);
        expect(JSON.parse(answer.body.toString())).toEqual({
          code: 'unimplemented',
          message: expect.stringContaining(path),
        });
      }
    }
  });
});

describe.skipIf(!built)('/ingest', () => {
  const pprof = tinyPprof({
    type: 'cpu',
    unit: 'nanoseconds',
    timeNanos: BigInt(now) * 1_000_000n + 1n,
    stacks: [{ frames: ['leaf', 'main'], value: 1n }],
  });
  const form = profileForm(pprof);
  const otherForm = Buffer.from(
    Buffer.from(form.body).toString('latin1').replace('name="profile"', 'name="foo"'),
    'latin1',
  );
  const octets = 'application/octet-stream';
  const long = 'x'.repeat(5_000);
  // §11: validation failures of a pprof 422, of the request 400; gzip is decoded; never a fault of the server.
  const table: readonly [string, string, string, Uint8Array | string, number, string, Record<string, string>?][] = [
    ['a profile', 'name=a&format=pprof', octets, pprof, 200, ''],
    ['a profile whatever the content type', 'name=a&format=pprof', 'text/plain', pprof, 200, ''],
    ['a form', 'name=a', form.contentType, form.body, 200, ''],
    ['a form and format=pprof', 'name=a&format=pprof', form.contentType, form.body, 200, ''],
    ['gzip outside', 'name=a&format=pprof', octets, gzipSync(pprof), 200, '', { 'content-encoding': 'gzip' }],
    [
      'gzip that is announced and is not there',
      'name=a&format=pprof',
      octets,
      pprof,
      200,
      '',
      { 'content-encoding': 'gzip' },
    ],
    ['nothing', 'name=a&format=pprof', octets, '', 200, ''],
    ['a time that is none', 'name=a&format=pprof&from=abc', octets, pprof, 200, ''],
    ['a label without an end', 'name=a%7Bb%3Dc&format=pprof', octets, pprof, 400, 'invalid_argument'],
    ['a form without a profile', 'name=a', form.contentType, otherForm, 400, 'invalid_argument'],
    ['unknown and empty parameters', 'name=a&format=pprof&units=&from=&x=1', octets, pprof, 200, ''],
    ['no name', 'format=pprof', octets, pprof, 400, 'invalid_argument'],
    ['an empty name', 'name=&format=pprof', octets, pprof, 400, 'invalid_argument'],
    ['a broken name', `name=${encodeURIComponent('a{b c=d}')}&format=pprof`, octets, pprof, 400, 'invalid_argument'],
    ['what is no pprof', 'name=a&format=pprof', octets, 'hello', 422, 'unknown'],
    ['what is no gzip inside', 'name=a&format=pprof', octets, Uint8Array.of(0x1f, 0x8b, 1, 2), 422, 'unknown'],
    [
      'a value over its limit',
      `name=${encodeURIComponent(`a{b=${long}}`)}&format=pprof`,
      octets,
      pprof,
      422,
      'unknown',
    ],
    ['a form that is none', 'name=a', 'multipart/form-data; boundary=x', '--y', 400, 'invalid_argument'],
    ['another encoding', 'name=a&format=pprof', octets, pprof, 415, 'unknown', { 'content-encoding': 'br' }],
    ['a format not read yet', 'name=a&format=jfr', octets, pprof, 415, 'unknown'],
    ['no tenant', 'name=a&format=pprof', octets, pprof, 401, 'unauthenticated', { 'x-scope-orgid': '' }],
    ['a bad tenant', 'name=a&format=pprof', octets, pprof, 400, 'invalid_argument', { 'x-scope-orgid': '..' }],
    ['two tenants', 'name=a&format=pprof', octets, pprof, 400, 'invalid_argument', { 'x-scope-orgid': 'a|b' }],
  ];

  test.each(table)('with %s', async (_what, query, type, body, status, code, headers = {}) => {
    for (const transport of transports) {
      for (const path of ['/ingest', '/pyroscope/ingest', '//ingest']) {
        const answer = await rawCall(kiln.url, {
          transport,
          method: 'POST',
          path: `${path}?${query}`,
          headers: { 'x-scope-orgid': 'table', 'content-type': type, ...headers },
          body,
        });
        expect([path, answer.status, answer.body.toString()]).toEqual([
          path,
          status,
          status === 200 ? '' : expect.anything(),
        ]);
        if (status === 200) continue;
        expect(answer.headers['content-type']).toBe('application/json');
        expect(JSON.parse(answer.body.toString())).toEqual({ code, message: expect.stringMatching(/.{8}/) });
      }
    }
  });
});
