import { diffGraph, finishQuery, type Query, type ResultOf } from '@kiln/query';
import { decodeFlameGraph, type Oracle, type OracleQuery, type OracleValue } from '../oracle/index.ts';
import { sidesOf, wantedCells } from './compare-methods.ts';

const ALL_NODES = 1_048_576;
const IDS = 3;
const STEP_MS = 10_000;
const GROUP_BY = ['pod', 'user'];

/** Asks the product for the merged partial of a query. */
export type AskPartial = (query: Query) => Uint8Array;
/** Compares two values as text. */
export type Check = (what: string, got: () => unknown, want: () => unknown) => void;

/**
 * What chooses samples, and what shows single values, of one profile type: spans, traces, call sites, averages, exemplars, profiles by id, heatmaps,
 * differences; as `compareMethods` asks them of a server.
 */
export function compareMethodsInProcess(
  oracle: Oracle,
  tenant: string,
  askPartial: AskPartial,
  check: Check,
  asked: OracleQuery,
): void {
  const { startMs, endMs, profileTypeId: profileType, selector } = asked;
  const selected = { startMs, endMs, profileType, selector };
  const what = `${profileType} ${selector} of ${endMs - startMs} ms`;
  const ask = <Q extends Query>(query: Q): ResultOf[Q['kind']] => finishQuery(query, askPartial(query));
  const whole = decodeFlameGraph(oracle.flameGraph(tenant, { ...asked, maxNodes: ALL_NODES }));
  if (whole.size === 0) return;

  const stacks = { kind: 'stacktraces', ...selected, maxNodes: ALL_NODES } as const;
  const graphOf = (chosen: object): unknown => {
    const answer = ask({ ...stacks, ...chosen, format: 'flamegraph' });
    if (answer.format !== 'flamegraph') return answer.format;
    const { names, levels, total } = answer.flameGraph;
    return { names, levels: levels.map((level) => Array.from(level, BigInt)), total };
  };
  const wantedGraph = (chosen: Partial<OracleQuery>): unknown => {
    const { names, levels, total } = oracle.flameGraph(tenant, { ...asked, ...chosen, maxNodes: ALL_NODES });
    return { names, levels, total };
  };
  const { spans, traces } = oracle.ids(tenant, asked);
  const callSite = outermost(whole);
  for (const chosen of [
    ...[...spans.slice(0, IDS), '00000000000000ff'].map((id) => ({ spanIds: [id] })),
    ...traces.slice(0, IDS).map((id) => ({ traceIds: [id] })),
    { callSite },
  ]) {
    check(
      `${JSON.stringify(chosen)} of ${what}`,
      () => graphOf(chosen),
      () => wantedGraph(chosen),
    );
  }
  const sides = oracle.diff(tenant, asked, { ...asked, callSite });
  // Above int64 the sum of both sides, which an answer has to tell, is refused.
  if (sides.flatMap((side) => [...side.values()]).reduce((sum, value) => sum + value, 0n) < 2n ** 63n) {
    check(
      `a diff of ${what}`,
      () => {
        const [left, right] = [{}, { callSite }].map((chosen) => ({
          range: selected,
          partial: askPartial({ ...stacks, ...chosen, format: 'tree' }),
        }));
        const { names, levels } = diffGraph(left!, right!, 0);
        const values = levels.map((level) => ({ values: Array.from<number | bigint, string>(level, String) }));
        return sidesOf({ names: [...names], levels: values }).map(sortedEntries);
      },
      () => sides.map(sortedEntries),
    );
  }

  const steps = { ...selected, stepMs: STEP_MS, groupBy: GROUP_BY, limit: 0 };
  const wanted = { ...asked, stepSeconds: STEP_MS / 1_000, groupBy: GROUP_BY };
  for (const [chosen, other] of [
    [{ aggregation: 'average' }, { average: true }],
    [{ aggregation: 'sum', callSite }, { callSite }],
  ] as const) {
    check(
      `series, ${JSON.stringify(other)}, of ${what}`,
      () =>
        ask({ kind: 'selectSeries', ...steps, ...chosen }).map(({ labels, timeMs, value }) => ({
          labels: labels.map((label) => [label.name, label.value]),
          points: Array.from(timeMs, (timestamp, i) => ({ timestamp, value: value[i] })),
        })),
      () => oracle.selectSeries(tenant, { ...wanted, ...other }),
    );
  }
  for (const kind of ['profiles', 'spans'] as const) {
    const values = oracle.values(tenant, wanted, kind);
    check(
      `exemplars of ${kind} of ${what}`,
      () =>
        ask({ kind: 'selectSeries', ...steps, aggregation: 'sum', exemplars: kind }).flatMap(
          ({ labels, timeMs, exemplars = [] }) =>
            Array.from(timeMs, (at, i) => {
              const best = exemplars[i];
              const group = labels.map((label) => `${label.name}=${label.value}`).join();
              return [group, at, best?.value ?? null, best === undefined ? null : followed(best)];
            }),
        ),
      () =>
        oracle.selectSeries(tenant, wanted).flatMap(({ labels, points }) => {
          const group = labels.map((pair) => pair.join('=')).join();
          return points.map(({ timestamp }) => {
            const here = values.filter((one) => keyOf(one) === group && edgeOf(one, startMs) === timestamp);
            const largest = here.reduce((most, { value }) => (value > most ? value : most), 0n);
            return [group, timestamp, here.length === 0 ? null : largest, here.length === 0 ? null : true];
          });
        }),
    );
    check(
      `heatmap of ${kind} of ${what}`,
      () => cellsOf(ask({ kind: 'heatmap', ...steps, of: kind, exemplars: true })),
      () => sortedEntries(wantedCells(values, { startMs }, STEP_MS)),
    );
  }

  /** Whether the id of an exemplar selects samples of just that value: of the profile, whatever the group it was in; of the span at least that much. */
  function followed({ value, profileId, spanId }: { value: bigint; profileId: string; spanId: string }): boolean {
    const chosen =
      profileId === '' ? { spanIds: [spanId] } : { profileIds: [profileId.replaceAll('-', '').slice(0, 16)] };
    const answer = ask({ ...stacks, startMs: startMs - STEP_MS, ...chosen, format: 'flamegraph' });
    return answer.format === 'flamegraph' && answer.flameGraph.total >= value;
  }
}

/** The function that the most stacks begin with, and the one below it where there is one. */
function outermost(whole: ReadonlyMap<string, bigint>): string[] {
  const [deepest] = [...whole.keys()].toSorted((a, b) => b.split(/(?<!\\);/).length - a.split(/(?<!\\);/).length);
  return deepest!
    .split(/(?<!\\);/)
    .slice(0, 2)
    .map((name) => name.replaceAll(/\\(.)/g, '$1'));
}

function keyOf({ group }: OracleValue): string {
  return group.map((pair) => pair.join('=')).join();
}

function edgeOf({ timeMs }: OracleValue, startMs: number): number {
  return startMs + Math.max(0, Math.ceil((timeMs - startMs) / STEP_MS)) * STEP_MS;
}

function cellsOf({ yMin, series }: ResultOf['heatmap']): [string, bigint][] {
  const cells = new Map<string, bigint>();
  for (const { labels, slots } of series) {
    const key = labels.map(({ name, value }) => `${name}=${value}`).join();
    for (const { timeMs, counts, exemplars } of slots) {
      for (const [cell, count] of counts.entries()) {
        const at = `${key} ${timeMs} from ${Number(yMin[cell])}`;
        if (count > 0) cells.set(at, (cells.get(at) ?? 0n) + BigInt(count));
      }
      if (exemplars.length !== counts.filter((count) => count > 0).length) cells.set('exemplars are missing', 1n);
    }
  }
  return sortedEntries(cells);
}

function sortedEntries(map: ReadonlyMap<string, bigint>): [string, bigint][] {
  return [...map].toSorted(([a], [b]) => (a < b ? -1 : 1));
}
