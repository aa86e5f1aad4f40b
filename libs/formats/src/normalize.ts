import {
  labelSetKey,
  labelValue,
  type Label,
  type LabelSet,
  type Profile,
  type SampleGroup,
  type ValueType,
} from '@kiln/model';
import { completeLabels, seriesLabels } from './labels.ts';
import type { ProfileLimits } from './limits.ts';
import { checkPprof, textOf } from './pprof/check.ts';
import type { Pprof } from './pprof/decode.ts';
import { sumSamples } from './sample-groups.ts';
import { SampleLabels } from './sample-labels.ts';
import { readSamples } from './samples.ts';
import { SymbolResolver, type FunctionNames } from './symbol-resolver.ts';

/** What comes with a decoded profile. */
export interface NormalizeRequest {
  /** As pushed: any order, copies included. */
  readonly labels: readonly Label[];
  readonly limits: ProfileLimits;
  /** Unix milliseconds; the time of a profile that carries none. */
  readonly receivedMs: number;
  readonly names?: FunctionNames;
}

export interface Normalized {
  /** Undefined when nothing is left to store: a profile without samples is no error. */
  readonly profile: Profile | undefined;
  /** Stacks cut at max_profile_stacktrace_depth. */
  readonly truncatedStacks: number;
  /** Strings cut at max_profile_symbol_value_length. */
  readonly truncatedStrings: number;
}

/**
 * A decoded pprof as a `Profile`, by contract/pyroscope.md §4.1 steps 1, 6, 7 (without stack repair), 9, 10, 11 and §4.2 to §4.8: checked against the
 * limits, samples without value or with invalid locations dropped, equal stacks summed exactly, string sample labels made series, span and trace ids
 * kept with their samples.
 * @throws KilnError `invalid_argument` with a reason of §4.3, or `out_of_range` for a sum that int64 cannot carry.
 */
export function normalizePprof(pprof: Pprof, request: NormalizeRequest): Normalized {
  const { limits, receivedMs, names = 'as sent' } = request;
  const pushed = completeLabels(request.labels);
  const { timeNanos } = checkPprof(pprof, limits, receivedMs);
  const resolver = new SymbolResolver(pprof, {
    limits,
    names,
    spy: labelValue(pushed, 'pyroscope_spy'),
    buildIdOf: buildIdOf(pushed),
  });
  const labels = new SampleLabels(pprof, limits, resolver);
  const samples = readSamples(pprof, limits, resolver, labels);
  const counts = { truncatedStacks: samples.truncatedStacks, truncatedStrings: resolver.truncatedStrings };
  const types = valueTypes(pprof);
  const { series, seriesOf } = seriesOfGroups(pushed, labels.groups, limits);
  const groups: SampleGroup[] = [];
  for (const [s, summed] of sumSamples(samples, seriesOf, series.length, resolver.symbols.stacks, types).entries()) {
    if (summed !== undefined) groups.push({ series: series[s]!, ...summed });
  }
  if (groups.length === 0) return { profile: undefined, ...counts };
  const first = groups[0]!.series;
  const profile = {
    service: labelValue(first, 'service_name'),
    name: labelValue(first, '__name__'),
    types,
    timeNanos,
    durationNanos: pprof.durationNanos,
    symbols: resolver.symbols.symbols(),
    groups,
  };
  return { profile, ...counts };
}

/** The stored labels of each group of sample labels. Labels that lose against the series' own leave groups with equal labels: they are one series. */
function seriesOfGroups(
  pushed: LabelSet,
  groups: readonly (readonly Label[])[],
  limits: ProfileLimits,
): { series: LabelSet[]; seriesOf: Uint32Array } {
  const series: LabelSet[] = [];
  const numberOf = new Map<string, number>();
  const seriesOf = Uint32Array.from(groups, (sampleLabels) => {
    const labels = seriesLabels(pushed, sampleLabels, limits);
    const key = labelSetKey(labels);
    let number = numberOf.get(key);
    if (number === undefined) numberOf.set(key, (number = series.push(labels) - 1));
    return number;
  });
  return { series, seriesOf };
}

/** Types with the period type each was sampled by. */
function valueTypes(pprof: Pprof): ValueType[] {
  const { periodType } = pprof;
  const period =
    periodType === undefined
      ? { periodType: '', periodUnit: '' }
      : { periodType: textOf(pprof, periodType.type), periodUnit: textOf(pprof, periodType.unit) };
  return pprof.sampleTypes.map(({ type, unit }) => ({
    type: textOf(pprof, type),
    unit: textOf(pprof, unit),
    ...period,
  }));
}

/** How mappings get their build id when the labels name a source repository (contract/pyroscope.md §4.1 step 10). */
function buildIdOf(labels: LabelSet): ((buildId: string) => string) | undefined {
  const repository = labelValue(labels, 'service_repository');
  const gitRef = labelValue(labels, 'service_git_ref');
  const rootPath = labelValue(labels, 'service_root_path');
  if (repository === '' && gitRef === '' && rootPath === '') return undefined;
  return (buildId) => {
    const parts = [
      ['repository', repository],
      ['git_ref', gitRef],
      ['build_id', buildId],
      ['root_path', rootPath],
    ];
    return JSON.stringify(Object.fromEntries(parts.filter(([, value]) => value !== '')));
  };
}
