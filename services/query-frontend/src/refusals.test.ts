import { describe, expect, test } from 'vitest';
import { DAY, harness, range, select, TYPE } from './test-support/harness.ts';
import { NOW } from './test-support/tool-ports.ts';

describe('a read', () => {
  test.each<[string, string, unknown, number, string, string]>([
    ['without a tenant', 'ProfileTypes', {}, 401, 'unauthenticated', 'auth.multitenancy-enabled'],
    [
      'without a range',
      'SelectMergeProfile',
      { profileTypeID: TYPE, labelSelector: '{}' },
      400,
      'invalid_argument',
      'missing time range',
    ],
    ['with half a range', 'ProfileTypes', { start: 5 }, 400, 'invalid_argument', 'missing time range'],
    [
      'that ends before it starts',
      'Series',
      { start: String(NOW), end: String(NOW - 1) },
      400,
      'invalid_argument',
      'is after end',
    ],
    ['too long', 'LabelNames', { start: '1', end: String(NOW + 5 * DAY) }, 400, 'invalid_argument', 'max_query_length'],
    [
      'of no type',
      'SelectSeries',
      { ...select, profileTypeID: 'cpu', step: 1 },
      400,
      'invalid_argument',
      'found 1 part,',
    ],
    ['of no selector', 'SelectMergeStacktraces', { ...select, labelSelector: '' }, 400, 'invalid_argument', 'selector'],
    [
      'of a bad selector',
      'SelectMergeStacktraces',
      { ...select, labelSelector: '{a=~"("}' },
      400,
      'invalid_argument',
      '',
    ],
    ['without step', 'SelectSeries', select, 400, 'invalid_argument', 'invalid step 0'],
    [
      'of too many nodes',
      'SelectMergeStacktraces',
      { ...select, maxNodes: 1_048_577 },
      400,
      'invalid_argument',
      'max_flamegraph_nodes_max',
    ],
    [
      'of negative nodes',
      'SelectMergeStacktraces',
      { ...select, maxNodes: -1 },
      400,
      'invalid_argument',
      'max_nodes -1',
    ],
    ['of a label without name', 'LabelValues', range, 400, 'invalid_argument', 'name is required'],
    ['of half a diff', 'Diff', { left: select }, 400, 'invalid_argument', 'right: missing'],
    [
      'of a diff without a range',
      'Diff',
      { left: {}, right: select },
      400,
      'invalid_argument',
      'left: missing time range',
    ],
    [
      'of a diff without a type',
      'Diff',
      { left: select, right: { ...select, profileTypeID: 'cpu' } },
      400,
      'invalid_argument',
      'right: invalid profile type "cpu"',
    ],
    [
      'with a span that is none',
      'SelectMergeSpanProfile',
      { ...select, spanSelector: ['0123456789abcdef', '00'] },
      400,
      'invalid_argument',
      'span_selector has "00", want 16 hex digits',
    ],
    [
      'with a trace that is none',
      'SelectMergeProfile',
      { ...select, traceIdSelector: ['g'.repeat(32)] },
      400,
      'invalid_argument',
      'want 32 hex digits',
    ],
    [
      'with a profile that is none',
      'SelectMergeStacktraces',
      { ...select, profileIdSelector: ['0123456789abcdef'] },
      400,
      'invalid_argument',
      'profile_id_selector has "0123456789abcdef", want a UUID',
    ],
    [
      'with spans and traces',
      'SelectMergeStacktraces',
      { ...select, spanSelector: ['0123456789abcdef'], traceIdSelector: ['0'.repeat(32)] },
      400,
      'invalid_argument',
      'cannot be sent together',
    ],
    [
      'with PGO but no pprof',
      'SelectMergeStacktraces',
      { ...select, stackTraceSelector: { goPgo: { keepLocations: 5 } } },
      400,
      'invalid_argument',
      'PROFILE_FORMAT_PPROF',
    ],
    [
      'of a pprof of negative nodes',
      'SelectMergeProfile',
      { ...select, maxNodes: -1 },
      400,
      'invalid_argument',
      'max_nodes -1',
    ],
    [
      'of a heatmap of nothing',
      'SelectHeatmap',
      { ...select, step: 1 },
      400,
      'invalid_argument',
      'query_type is missing',
    ],
    [
      'of a heatmap of profiles with exemplars of spans',
      'SelectHeatmap',
      { ...select, step: 1, queryType: 'HEATMAP_QUERY_TYPE_INDIVIDUAL', exemplarType: 'EXEMPLAR_TYPE_SPAN' },
      400,
      'invalid_argument',
      'exemplar_type asks for spans, query_type for profiles',
    ],
    ['of a heatmap without step', 'SelectHeatmap', { ...select, queryType: 1 }, 400, 'invalid_argument', 'step 0'],
    [
      'of a heatmap of -1 series',
      'SelectHeatmap',
      { ...select, queryType: 1, step: 1, limit: -1 },
      400,
      'invalid_argument',
      'limit -1',
    ],
    [
      'of a heatmap of a moment',
      'SelectHeatmap',
      { ...select, queryType: 1, step: 1, start: range.end },
      400,
      'invalid_argument',
      'starts before it ends',
    ],
    [
      'of a heatmap of no selector',
      'SelectHeatmap',
      { ...select, queryType: 1, step: 1, labelSelector: '' },
      400,
      'invalid_argument',
      'selector',
    ],
    ['of statistics of two tenants', 'GetProfileStats', {}, 400, 'invalid_argument', 'of one tenant: found acme, b'],
    ['of an analysis of nothing', 'AnalyzeQuery', { ...range, query: '' }, 400, 'invalid_argument', 'selector'],
    [
      'of an analysis of a wrong type',
      'AnalyzeQuery',
      { ...range, query: 'a:b{}' },
      400,
      'invalid_argument',
      'found 2 parts',
    ],
    ['of broken JSON', 'ProfileTypes', '{', 400, 'invalid_argument', ''],
    ['of an empty body', 'ProfileTypes', '', 400, 'invalid_argument', ''],
    ['with a word for a number', 'ProfileTypes', { start: 'soon' }, 400, 'invalid_argument', ''],
  ])('%s is refused by name, and nobody is asked', async (what, method, body, status, code, sentence) => {
    const { call, asked } = await harness();
    const tenants = { 'without a tenant': '', 'of statistics of two tenants': 'acme|b' }[what];
    const answer = await call(method, body, tenants === undefined ? {} : { 'x-scope-orgid': tenants });
    expect([answer.status, answer.body['code']]).toEqual([status, code]);
    expect(answer.body['message']).toContain(sentence);
    expect(asked).toEqual([]);
  });

  test('with another content type is 415 and told which, another method 405', async () => {
    const { url } = await harness();
    const response = await fetch(`${url}ProfileTypes`, {
      method: 'POST',
      headers: { 'content-type': 'text/plain', 'x-scope-orgid': 'a' },
      body: '{}',
    });
    expect([response.status, response.headers.get('accept-post')]).toEqual([
      415,
      expect.stringContaining('application/json'),
    ]);
    expect(
      (
        await fetch(`${url}ProfileTypes`, {
          method: 'PUT',
          headers: { 'content-type': 'application/json' },
          body: '{}',
        })
      ).status,
    ).toBe(405);
  });
});
