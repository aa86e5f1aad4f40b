import { fromBinary, type MessageInitShape } from '@bufbuild/protobuf';
import type { Label } from '@kiln/model';
import type { DiffGraph, FlameGraph, PprofResult, ProfileTypeAnswer, QueryRange, TimeSeries } from '@kiln/query';
import {
  ProfileSchema,
  type FlameGraphDiffSchema,
  type FlameGraphSchema,
  type LabelPairSchema,
  type PprofMessage,
  type ProfileTypeSchema,
  type SeriesSchema,
} from '@kiln/rpc';
import { mergedPprof } from './merged-pprof.ts';

/*
 * Answers as messages.
 */

export function pprofMessage(result: PprofResult, { endMs }: QueryRange): PprofMessage | Record<string, never> {
  if (result.symbols.stacks.length === 0) return {};
  return fromBinary(ProfileSchema, mergedPprof([result], endMs));
}

export function flameGraphMessage({
  names,
  levels,
  total,
  maxSelf,
}: FlameGraph): MessageInitShape<typeof FlameGraphSchema> {
  return { names: [...names], levels: levels.map((level) => ({ values: Array.from(level, BigInt) })), total, maxSelf };
}

export function diffMessage({
  names,
  levels,
  leftTicks,
  rightTicks,
  maxSelf,
}: DiffGraph): MessageInitShape<typeof FlameGraphDiffSchema> {
  return {
    names: [...names],
    levels: levels.map((level) => ({ values: Array.from(level, BigInt) })),
    total: leftTicks + rightTicks,
    leftTicks,
    rightTicks,
    maxSelf,
  };
}

export function emptyFlameGraph(): MessageInitShape<typeof FlameGraphSchema> {
  return { names: ['total'], levels: [{ values: [0n, 0n, 0n, 0n] }], total: 0n, maxSelf: 0n };
}

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

export function seriesMessage({ labels, timeMs, value }: TimeSeries): MessageInitShape<typeof SeriesSchema> {
  return {
    labels: labels.map(labelMessage),
    points: Array.from(timeMs, (time, i) => ({ timestamp: BigInt(time), value: value[i]! })),
  };
}
