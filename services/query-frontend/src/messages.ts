import type { MessageInitShape } from '@bufbuild/protobuf';
import type { Label } from '@kiln/model';
import type { Analysis, Exemplar, Heatmap, ProfileTypeAnswer, TimeSeries } from '@kiln/query';
import type {
  AnalyzeQueryResponseSchema,
  ExemplarSchema,
  LabelPairSchema,
  ProfileTypeSchema,
  SelectHeatmapResponseSchema,
  SeriesSchema,
} from '@kiln/rpc';

/*
 * Answers as messages.
 */

export function profileTypeMessage({
  id,
  name,
  type,
  unit,
  periodType,
  periodUnit,
}: ProfileTypeAnswer): MessageInitShape<typeof ProfileTypeSchema> {
  return { ID: id, name, sampleType: type, sampleUnit: unit, periodType, periodUnit };
}

export function labelMessage({ name, value }: Label): MessageInitShape<typeof LabelPairSchema> {
  return { name, value };
}

export function seriesMessage({
  labels,
  timeMs,
  value,
  exemplars,
  annotations,
}: TimeSeries): MessageInitShape<typeof SeriesSchema> {
  return {
    labels: labels.map(labelMessage),
    points: Array.from(timeMs, (time, i) => {
      const exemplar = exemplars?.[i];
      return {
        timestamp: BigInt(time),
        value: value[i]!,
        exemplars: exemplar === undefined ? [] : [exemplarMessage(exemplar)],
        annotations: [...(annotations?.[i] ?? [])],
      };
    }),
  };
}

export function heatmapMessage({ yMin, series }: Heatmap): MessageInitShape<typeof SelectHeatmapResponseSchema> {
  const lowest = yMin.map(Number);
  return {
    series: series.map(({ labels, slots }) => ({
      labels: labels.map(labelMessage),
      slots: slots.map(({ timeMs, counts, exemplars }) => ({
        timestamp: BigInt(timeMs),
        yMin: lowest,
        counts: [...counts],
        exemplars: exemplars.map(exemplarMessage),
      })),
    })),
  };
}

function exemplarMessage(exemplar: Exemplar): MessageInitShape<typeof ExemplarSchema> {
  const { timeMs, value, profileId, spanId, traceId, labels } = exemplar;
  return { timestamp: BigInt(timeMs), value, profileId, spanId, traceId, labels: labels.map(labelMessage) };
}

/** @param countsSeries without, none are. */
export function analysisMessage(
  { heads, objects, series }: Analysis,
  countsSeries: boolean,
): MessageInitShape<typeof AnalyzeQueryResponseSchema> {
  const scopes = [
    { componentType: 'Short term storage', scope: heads },
    { componentType: 'Long term storage', scope: objects },
  ];
  return {
    queryScopes: scopes.map(({ componentType, scope }) => ({
      componentType,
      componentCount: scope.sources > 0 ? 1n : 0n,
      blockCount: BigInt(scope.sources),
      seriesCount: BigInt(countsSeries ? scope.series : 0),
      profileCount: BigInt(scope.rows),
      sampleCount: BigInt(scope.samples),
      indexBytes: BigInt(scope.indexBytes),
      profileBytes: BigInt(scope.sampleBytes),
      symbolBytes: BigInt(scope.symbolBytes),
    })),
    queryImpact: {
      totalBytesInTimeRange: BigInt(objects.indexBytes + objects.sampleBytes + objects.symbolBytes),
      totalQueriedSeries: BigInt(countsSeries ? series : 0),
      deduplicationNeeded: false,
    },
  };
}
