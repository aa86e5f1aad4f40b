import { describe, expect, test } from 'vitest';
import { stacksOfAnswer } from '../oracle/index.ts';
import { captureBody, captureHeaders, profilecliCaptures } from '../support/captured.ts';
import { rawCall } from '../support/rpc-call.ts';
import { built, CANARY, CANARY_SPAN, get, now, kiln, dataSource, drilldown, serveReads } from './read-suite.ts';

/*
 * profilecli: the probes of its canary (contract/clients.md §3.1), in their order, and requests of its other commands as they were captured.
 */

serveReads();

describe.skipIf(!built)("profilecli's canary", { timeout: 60_000 }, () => {
  const selector = '{service_name="pyroscope-canary-exporter", job="canary-exporter"}';
  const select = { profileTypeID: CANARY, labelSelector: selector, start: now, end: now + 5_000 };
  const times = { from: String(now), until: String(now + 5_000) };
  const query = `${CANARY}${selector}`;

  test('reads its samples back, exactly', async () => {
    const { profile } = await dataSource('SelectMergeProfile', select);
    const { stacks } = stacksOfAnswer(profile as Uint8Array);
    expect(stacks.map(({ frames: names, value }) => [names.length, value])).toEqual([
      [1, 20n],
      [2, 10n],
    ]);
  });

  test('is listed by type, series, label names and values', async () => {
    const span = { start: now, end: now + 5_000 };
    expect((await dataSource('ProfileTypes', span))['profileTypes']).toMatchObject([{ ID: CANARY }]);
    const labelNames = ['service_name', '__profile_type__'];
    expect((await dataSource('Series', { ...span, labelNames }))['labelsSet']).toEqual([
      {
        labels: [
          { name: '__profile_type__', value: CANARY },
          { name: 'service_name', value: 'pyroscope-canary-exporter' },
        ],
      },
    ]);
    expect((await dataSource('LabelNames', span))['names']).toEqual(
      expect.arrayContaining(
        '__name__ __period_type__ __period_unit__ __profile_type__ __service_name__ __type__ __unit__ service_name'.split(
          ' ',
        ),
      ),
    );
    const values = { name: 'service_name', matchers: [`{__profile_type__="${CANARY}"}`], ...span };
    expect((await dataSource('LabelValues', values))['names']).toEqual(['pyroscope-canary-exporter']);
  });

  test('finds one series of one point, and a graph of three names on three levels', async () => {
    const series = await dataSource('SelectSeries', { ...select, step: 1000, groupBy: ['service_name'] });
    expect(series['series']).toEqual([
      {
        labels: [{ name: 'service_name', value: 'pyroscope-canary-exporter' }],
        points: [{ value: 30, timestamp: String(now) }],
      },
    ]);
    const graph = (await dataSource('SelectMergeStacktraces', select))['flamegraph'] as { names: []; levels: [] };
    expect([graph.names.length, graph.levels.length]).toEqual([3, 3]);
  });

  test('finds its span alone: two names on two levels', async () => {
    const { status, body } = await drilldown('querier.v1.QuerierService/SelectMergeSpanProfile', {
      ...select,
      spanSelector: [CANARY_SPAN],
    });
    const graph = body['flamegraph'] as { names: string[]; levels: unknown[]; total: string };
    expect([status, graph.names, graph.levels.length, graph.total]).toEqual([200, ['total', 'func1'], 2, '20']);
  });

  test('is known to the stats, and its exemplar selects its profile', async () => {
    const stats = await drilldown('querier.v1.QuerierService/GetProfileStats', {});
    expect(stats).toMatchObject({ status: 200, body: { dataIngested: true } });
    const asked = { ...select, step: 5, exemplarType: 'EXEMPLAR_TYPE_INDIVIDUAL' };
    const { body } = await drilldown('querier.v1.QuerierService/SelectSeries', asked);
    const [one, ...more] = body['series'] as { points: { exemplars: { profileId: string; value: string }[] }[] }[];
    expect([more, one!.points.length, one!.points[0]!.exemplars]).toMatchObject([[], 1, [{ value: '30' }]]);
    const profileIdSelector = [one!.points[0]!.exemplars[0]!.profileId];
    const graph = await drilldown('querier.v1.QuerierService/SelectMergeStacktraces', { ...select, profileIdSelector });
    const { names, levels } = graph.body['flamegraph'] as { names: []; levels: [] };
    expect([names.length, levels.length]).toEqual([3, 3]);
  });

  test('renders, and renders a difference, with three names on three levels', async () => {
    const rendered = await get('/pyroscope/render', { query, ...times });
    const diff = await get('/pyroscope/render-diff', {
      leftQuery: query,
      leftFrom: times.from,
      leftUntil: times.until,
      rightQuery: query,
      rightFrom: times.from,
      rightUntil: times.until,
    });
    for (const { status, body } of [rendered, diff]) {
      const { flamebearer } = JSON.parse(body.toString()) as { flamebearer: { names: []; levels: [] } };
      expect([status, flamebearer.names.length, flamebearer.levels.length]).toEqual([200, 3, 3]);
    }
  });
});

const captured = profilecliCaptures();

describe.skipIf(!built || captured.length === 0)('profilecli, as it was captured', { timeout: 60_000 }, () => {
  test.each(captured)('$file is answered in its own protocol', async (capture) => {
    const { method = 'POST', path = '', query = '' } = capture;
    const headers = captureHeaders(capture);
    const answer = await rawCall(kiln.url, {
      transport: 'http1',
      method,
      path: query === '' ? path : `${path}?${query}`,
      headers,
      body: method === 'GET' ? '' : captureBody(capture),
    });
    const type = headers['content-type'];
    // No recording rules are kept, as where Pyroscope keeps none.
    expect(answer.status, answer.body.toString()).toBe(path.includes('RecordingRules') ? 404 : 200);
    if (answer.status !== 200) return;
    if (type !== undefined) expect(answer.headers['content-type']).toBe(type);
    if (type === 'application/grpc') expect(answer.trailers['grpc-status']).toBe('0');
    if (type === 'application/grpc-web+proto') expect(answer.body.toString('latin1')).toContain('grpc-status: 0');
  });
});
