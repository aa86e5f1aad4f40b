import type { AnsweredGraph } from '../flame-graph-answer.ts';
import type { Timeline } from './timeline.ts';

export interface FlamebearerParts {
  readonly graph: AnsweredGraph;
  readonly format: 'single' | 'double';
  /** Of the sample type. */
  readonly type: string;
  readonly unit: string;
  readonly timeline: Timeline | null;
  readonly groups: Readonly<Record<string, Timeline>> | null;
}

/** Sample types whose values are counts of things. */
const objects = new Set(['inuse_objects', 'alloc_objects', 'goroutine', 'samples']);

/** Flamebearer version 1 (contract/pyroscope.md §5.8) as JSON text. Sums are written digit by digit: a double would round those above 2^53. */
export function flamebearerText({ graph, format, type, unit, timeline, groups }: FlamebearerParts): string {
  const isCpu = type === 'cpu';
  const levels = graph.levels.map((level: Float64Array | BigInt64Array) => `[${level.join(',')}]`);
  const flamebearer = `{"names":${JSON.stringify(graph.names)},"levels":[${levels.join(',')}],"numTicks":${graph.total},"maxSelf":${graph.maxSelf}}`;
  const metadata = {
    format,
    spyName: '',
    sampleRate: isCpu ? 1_000_000_000 : 100,
    units: isCpu ? 'samples' : objects.has(type) ? 'objects' : unit,
    name: type,
  };
  const rest = { metadata, timeline, groups, heatmap: null };
  const ticks = Object.entries({ leftTicks: graph.leftTicks ?? 0n, rightTicks: graph.rightTicks ?? 0n })
    .filter(([, value]) => value !== 0n)
    .map(([name, value]) => `,"${name}":${value}`);
  return `{"version":1,"flamebearer":${flamebearer},${JSON.stringify(rest).slice(1, -1)}${ticks.join('')}}`;
}
