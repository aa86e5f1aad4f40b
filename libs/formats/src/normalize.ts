import { ColumnArena } from '@kiln/bytes';
import { labelValue, type Label, type LabelSet, type Profile, type SampleGroup } from '@kiln/model';
import { rowsWithShapes } from './go-names.ts';
import { SeriesLabels, type Relabeling } from './labels.ts';
import { languageOf, type Language } from './language.ts';
import type { ProfileLimits } from './limits.ts';
import { checkPprof } from './pprof/check.ts';
import { KEPT, NEGATIVE, ZERO, type Pprof, type PprofPaths, type PprofSamples } from './pprof/pprof.ts';
import { SampleGroups, type KeptSamples, type ValueColumns } from './sample-groups.ts';
import { SampleLabels } from './sample-labels.ts';
import { keptTypes, stateByTypes } from './sample-types.ts';
import { room } from './scratch.ts';
import { SymbolResolver, type FunctionNames } from './symbol-resolver.ts';
import { SymbolsBuilder } from './symbols/symbols-builder.ts';

/** What comes with a decoded profile. */
export interface NormalizeRequest {
  /** As pushed: any order, copies included. */
  readonly labels: readonly Label[];
  readonly limits: ProfileLimits;
  /** Unix milliseconds; the time of a profile that carries none. */
  readonly receivedMs: number;
  /** How function names are made; `as sent` unless the way in says otherwise. */
  readonly names?: FunctionNames;
  /** What rewrites the labels; the default rules alone unless told. */
  readonly relabeling?: Relabeling | undefined;
  /** Where the symbol table is made, good until it is cleared; in memory of its own unless told. */
  readonly arena?: ColumnArena;
}

/** A profile ready to be stored, and what was changed on the way. */
export interface Normalized {
  /** Undefined when nothing is left to store: a profile without samples is no error. */
  readonly profile: Profile | undefined;
  /** What rules have moved from it to other services or names: the same profile, with other groups. */
  readonly moved: readonly Profile[];
  /** Stacks cut at max_profile_stacktrace_depth. */
  readonly truncatedStacks: number;
  /** Strings cut at max_profile_symbol_value_length. */
  readonly truncatedStrings: number;
  readonly droppedSamples: DroppedSamples;
  /** Of the profiled program, where the profile tells. */
  readonly language: Language | undefined;
}

/** Samples that are not stored, by why (contract/pyroscope.md §4.4). */
export interface DroppedSamples {
  /** Some value is negative. */
  readonly negative: number;
  /** All values are zero. */
  readonly zero: number;
  /** A location that is missing, empty, or refers to nothing. */
  readonly invalid: number;
  /** A relabelling rule drops their series, or rules drop every sample type. */
  readonly relabelled: number;
}

/**
 * A decoded pprof as a `Profile`, by contract/pyroscope.md §4.1 steps 1, 6, 7 (without stack repair), 9, 10, 11 and §4.2 to §4.8: checked against the
 * limits, samples without value or with invalid locations dropped, equal stacks summed exactly, string sample labels made series, span and trace ids
 * kept with their samples. What it returns shares nothing with the pprof.
 * @throws KilnError `invalid_argument` with a reason of §4.3, or `out_of_range` for a sum that int64 cannot carry.
 */
export function normalizePprof(pprof: Pprof, request: NormalizeRequest): Normalized {
  // Nothing in here waits, so one set of tables serves every call; after a very large profile they are given up.
  if (pprof.bytes.length > LARGE_BYTES) return new Normalizer().normalize(pprof, request);
  return shared.normalize(pprof, request);
}

/** What a path may be instead of a stack. */
const INVALID = -1;
const UNUSED = -2;
const CHOSEN = -3;
/** Of a sample, beside KEPT, NEGATIVE and ZERO: a rule drops it. */
const RELABELLED = 3;
const LARGE_BYTES = 2 * 1024 * 1024;

class Normalizer {
  readonly #symbols = new SymbolsBuilder();
  readonly #resolver = new SymbolResolver(this.#symbols);
  readonly #groups = new SampleGroups();
  /** By path of the file: stack row, UNUSED, CHOSEN until it is placed, or INVALID. */
  #pathStack = new Int32Array(64);
  #keptSample = new Int32Array(64);
  #keptStack = new Int32Array(64);
  #keptGroup = new Int32Array(64);
  #keptIds = new Int32Array(64);

  normalize(pprof: Pprof, request: NormalizeRequest): Normalized {
    const { labels, limits, receivedMs, names = 'as sent', relabeling, arena = new ColumnArena() } = request;
    const series = new SeriesLabels(labels, limits, relabeling);
    // What can be said of the labels alone is said first.
    let alone = series.hasRules ? undefined : series.with([]);
    const { bytes, samples } = pprof;
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const timeNanos = checkPprof(pprof, view, limits, receivedMs);
    if (series.hasRules && !samples.hasTexts) alone = series.with([]);
    const language = languageOf(pprof, series.value('pyroscope_spy'));
    const resolver = this.#resolver;
    const rules = {
      names,
      shapes: language === 'go' ? rowsWithShapes(pprof) : NO_ROWS,
      maxStringLength: limits.maxSymbolValueLength,
      buildIdOf: buildIdOf(series),
    };
    resolver.begin(pprof, view, rules, arena);
    const sampleLabels = samples.hasTexts ? new SampleLabels(pprof, series, (text) => resolver.cut(text)) : undefined;
    const { types, columns } = keptTypes(pprof, series);
    const isDropped = (sample: number): boolean =>
      sampleLabels === undefined ? alone === undefined : sampleLabels.isDropped(sample);
    const state = stateOf(pprof, columns, series.hasRules ? isDropped : undefined);
    const { kept, truncatedStacks, droppedSamples } = this.#keep(pprof, state, limits.maxStacktraceDepth, sampleLabels);
    const { durationNanos } = pprof;
    const profiles =
      kept.length === 0
        ? []
        : byDataset(
            { types, timeNanos, durationNanos, symbols: this.#symbols.build(resolver.locationRow) },
            this.#sum(kept, pprof, columns, sampleLabels, alone),
          );
    const [profile, ...moved] = profiles;
    return { profile, moved, truncatedStacks, truncatedStrings: resolver.truncated, droppedSamples, language };
  }

  /** Hot: once per sample. Which samples are kept, with their stacks and groups. */
  #keep(
    pprof: Pprof,
    state: Uint8Array,
    maxDepth: number,
    labels: SampleLabels | undefined,
  ): { kept: KeptSamples; truncatedStacks: number; droppedSamples: DroppedSamples } {
    const { length, path, paths } = pprof.samples;
    this.#choosePaths(pprof.samples, state);
    this.#placePaths(paths, maxDepth);
    if (!this.#resolver.resolveUsed()) {
      // Rare: once more without the paths that turned out invalid, so that nothing of them is left in the tables.
      this.#dropPaths(paths, maxDepth);
      this.#placePaths(paths, maxDepth);
      this.#resolver.resolveUsed();
    }
    this.#keptSample = room(this.#keptSample, length);
    this.#keptStack = room(this.#keptStack, length);
    this.#keptGroup = room(this.#keptGroup, length);
    this.#keptIds = room(this.#keptIds, length);
    const [keptSample, keptStack, keptGroup, keptIds] = [
      this.#keptSample,
      this.#keptStack,
      this.#keptGroup,
      this.#keptIds,
    ];
    const pathStack = this.#pathStack;
    let kept = 0;
    let truncatedStacks = 0;
    let negative = 0;
    let zero = 0;
    let invalid = 0;
    let relabelled = 0;
    let hasIds = false;
    for (let sample = 0; sample < length; sample++) {
      if (state[sample] !== KEPT) {
        if (state[sample] === NEGATIVE) negative++;
        else if (state[sample] === ZERO) zero++;
        else relabelled++;
        continue;
      }
      const row = path[sample]!;
      const stack = pathStack[row]!;
      if (stack === INVALID) {
        invalid++;
        continue;
      }
      if (maxDepth > 0 && paths.frameStart[row + 1]! - paths.frameStart[row]! > maxDepth) truncatedStacks++;
      keptSample[kept] = sample;
      keptStack[kept] = stack;
      if (labels === undefined) keptGroup[kept] = 0;
      else {
        keptGroup[kept] = labels.groupOf(sample);
        const entry = labels.ids(sample);
        keptIds[kept] = entry;
        if (entry >= 0) hasIds = true;
      }
      kept++;
    }
    const { stacks } = this.#symbols.tree;
    return {
      kept: { length: kept, sample: keptSample, stack: keptStack, group: keptGroup, idEntry: keptIds, hasIds, stacks },
      truncatedStacks,
      droppedSamples: { negative, zero, invalid, relabelled },
    };
  }

  /** Notes the paths of samples that their values do not rule out. */
  #choosePaths({ length, path, paths }: PprofSamples, state: Uint8Array): void {
    this.#pathStack = room(this.#pathStack, paths.length).fill(UNUSED, 0, paths.length);
    const pathStack = this.#pathStack;
    for (let sample = 0; sample < length; sample++) if (state[sample] === KEPT) pathStack[path[sample]!] = CHOSEN;
  }

  /** Makes INVALID the chosen paths that hold a location which is. */
  #dropPaths({ length, frame, frameStart }: PprofPaths, maxDepth: number): void {
    const pathStack = this.#pathStack;
    for (let row = 0; row < length; row++) {
      if (pathStack[row] === UNUSED) continue;
      const isValid = this.#resolver.areValid(frame, rootSide(frameStart, row, maxDepth), frameStart[row + 1]!);
      pathStack[row] = isValid ? CHOSEN : INVALID;
    }
  }

  /** Gives every chosen path its stack, in a tree of these alone. */
  #placePaths({ length, frame, frameStart }: PprofPaths, maxDepth: number): void {
    const { tree } = this.#symbols;
    const pathStack = this.#pathStack;
    tree.clear();
    for (let row = 0; row < length; row++) {
      if (pathStack[row] !== CHOSEN) continue;
      pathStack[row] = tree.stackOf(frame, rootSide(frameStart, row, maxDepth), frameStart[row + 1]!);
    }
  }

  #sum(
    kept: KeptSamples,
    pprof: Pprof,
    columns: ValueColumns,
    labels: SampleLabels | undefined,
    alone: LabelSet | undefined,
  ): Profile['groups'] {
    return labels === undefined
      ? this.#groups.sum(kept, pprof.samples, columns, [alone!], NO_IDS)
      : this.#groups.sum(kept, pprof.samples, columns, labels.groups, labels.idWords);
  }
}

/** What becomes of the samples: by their values as they were read, then by rules. */
function stateOf(
  pprof: Pprof,
  columns: ValueColumns,
  isDropped: ((sample: number) => boolean) | undefined,
): Uint8Array {
  const { samples } = pprof;
  const hasDropped = columns.of.includes(-1);
  if (!hasDropped && isDropped === undefined) return samples.state;
  const state = hasDropped ? stateByTypes(pprof, columns) : samples.state.slice(0, samples.length);
  for (let sample = 0; sample < samples.length; sample++) {
    if (state[sample] === KEPT && isDropped?.(sample) === true) state[sample] = RELABELLED;
    // No type is kept that could have a value.
    else if (samples.state[sample] === KEPT && columns.names.length === 0) state[sample] = RELABELLED;
  }
  return state;
}

const shared = new Normalizer();
const NO_IDS = new Int32Array(0);
const NO_ROWS: ReadonlySet<number> = new Set();

/** Where the frames of a path that count begin. Locations are leaf first: a stack that is too deep keeps its root side. */
function rootSide(frameStart: Int32Array, row: number, maxDepth: number): number {
  const from = frameStart[row]!;
  return maxDepth > 0 ? Math.max(from, frameStart[row + 1]! - maxDepth) : from;
}

/** A profile for each service and name among its series: rules may have moved some to others. */
function byDataset(common: Omit<Profile, 'service' | 'name' | 'groups'>, groups: Profile['groups']): Profile[] {
  const [first] = groups;
  if (groups.length === 1) return [{ ...common, ...placeOf(first!), groups }];
  const datasets = new Map<string, { service: string; name: string; groups: SampleGroup[] }>();
  for (const group of groups) {
    const { service, name } = placeOf(group);
    const key = `${service.length}:${service}${name}`;
    const dataset = datasets.get(key) ?? { service, name, groups: [] };
    dataset.groups.push(group);
    datasets.set(key, dataset);
  }
  return Array.from(datasets.values(), (dataset) => ({ ...common, ...dataset }));
}

function placeOf({ series }: SampleGroup): { service: string; name: string } {
  return { service: labelValue(series, 'service_name'), name: labelValue(series, '__name__') };
}

/** How mappings get their build id when the labels name a source repository (contract/pyroscope.md §4.1 step 10). */
function buildIdOf(series: SeriesLabels): ((buildId: string) => string) | undefined {
  const repository = series.value('service_repository');
  const gitRef = series.value('service_git_ref');
  const rootPath = series.value('service_root_path');
  if (repository === '' && gitRef === '' && rootPath === '') return undefined;
  return (buildId) => {
    const parts = { repository, git_ref: gitRef, build_id: buildId, root_path: rootPath };
    return JSON.stringify(Object.fromEntries(Object.entries(parts).filter(([, value]) => value !== '')));
  };
}
