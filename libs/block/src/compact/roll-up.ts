import type { ExactColumn } from '@kiln/model';
import { PageBuilder } from '../page/page-builder.ts';
import { RowReader } from '../page/row-reader.ts';
import { PAGE_BYTES } from '../page/sealed-page.ts';
import type { DatasetTables, Page, Rollup } from '../tables.ts';
import { BucketSums } from './bucket-sums.ts';

const HOUR_MS = 3_600_000;

/** Steps of which the finest that is small enough is kept. Each divides the next, and the last one an hour. */
const FINE_STEPS_MS = [15_000, 60_000, 300_000, 900_000];

/** What the sums of all steps may take, bytes; a step more or less is only a roll-up that is not there. */
const SUMS_MAX_BYTES = 64 * 1024 * 1024;

/** How large a roll-up of a fine step may be, and one of an hour or of everything, as a share of the dataset's pages without codec. */
const FINE_SHARE = 0.03;
const COARSE_SHARE = 0.5;

/** Sums of the rows of a dataset, the coarsest step first: of an hour and more, and finer ones. */
export interface Rollups {
  readonly coarse: readonly Rollup[];
  readonly fine: readonly Rollup[];
}

/**
 * The roll-ups of a dataset by the rule of engine.md §7: of everything, of each hour where there are several, and of the finest step of
 * 15 s, 1 min, 5 min and 15 min whose page bytes are at most 3 % of the dataset's. One that has more than half of them spares nobody anything and
 * is left out, as is one with a sum above 2^64 - 1, which a page does not hold.
 *
 * One pass over the rows in order of time: what a bucket sums to is added to the next coarser one when it ends, and a step that has grown too
 * large is given up at once. Memory: the pages decompressed, 20 bytes a row, and the sums: 5 bytes a stack and 16 more for each value type for each
 * step. The finest steps are left out for which that would be too much: of a million stacks all but three.
 * @param rawBytes length of the dataset's pages without codec. @param sumsMaxBytes for tests.
 */
export function rollUp(tables: DatasetTables, rawBytes: number, sumsMaxBytes: number = SUMS_MAX_BYTES): Rollups {
  const { rows, symbols, types } = tables;
  const affordable = Math.floor(sumsMaxBytes / (symbols.stacks.length * (5 + 16 * types.length)));
  if (rows.length < 2 || affordable === 0) return { coarse: [], fine: [] };
  const reader = new RowReader(tables, rows.length, symbols.stacks.length);
  reader.skipAll();
  const order = Uint32Array.from({ length: rows.length }, (_, row) => row);
  order.sort((a, b) => rows.timeMs[a]! - rows.timeMs[b]!);
  const steps = [...FINE_STEPS_MS, HOUR_MS, 0].slice(-affordable).map((stepMs) => {
    const share = FINE_STEPS_MS.includes(stepMs) ? FINE_SHARE : COARSE_SHARE;
    return new Step(stepMs, rawBytes * share, types.length, symbols.stacks.length);
  });
  let first = 0;
  for (let i = 0; i < order.length; i++) {
    const samples = reader.read(order[i]!);
    addTo(steps, first, rows.timeMs[order[i]!]!, samples.stack, samples.values, samples.length);
    while (steps[first]!.isGivenUp && first < steps.length - 1) endBucket(steps, first++);
  }
  for (let at = first; at < steps.length; at++) endBucket(steps, at);
  const kept = (step: Step | undefined): Rollup[] => (step === undefined || step.isGivenUp ? [] : [step.finish()]);
  const finest = steps.find(({ stepMs, isGivenUp }) => !isGivenUp && FINE_STEPS_MS.includes(stepMs));
  const hour = steps.find(({ stepMs, buckets }) => stepMs === HOUR_MS && buckets > 1);
  return { coarse: [...kept(steps.at(-1)), ...kept(hour)], fine: kept(finest) };
}

/** Adds to the bucket of step `at`; the one before it ends when the time has left it. */
function addTo(
  steps: readonly Step[],
  at: number,
  timeMs: number,
  stack: Uint32Array,
  values: readonly ExactColumn[],
  length: number,
): void {
  const step = steps[at]!;
  if (!step.isIn(timeMs)) endBucket(steps, at);
  step.add(timeMs, stack, values, length);
}

function endBucket(steps: readonly Step[], at: number): void {
  const step = steps[at]!;
  if (!step.isOpen) return;
  step.end();
  const { stack, values, length } = step.sums;
  if (at + 1 < steps.length) addTo(steps, at + 1, step.startMs, stack, values, length);
}

/** The buckets of one length, one open at a time. */
class Step {
  readonly stepMs: number;
  readonly sums: BucketSums;
  /** Of the bucket that is or was open last. */
  startMs = 0;
  isOpen = false;
  isGivenUp = false;
  readonly #limit: number;
  readonly #builder: PageBuilder;
  readonly #starts: number[] = [];
  readonly #pages: Page[] = [];
  #sealedBytes = 0;

  constructor(stepMs: number, limit: number, types: number, stacks: number) {
    this.stepMs = stepMs;
    this.#limit = limit;
    this.sums = new BucketSums(types, stacks);
    this.#builder = new PageBuilder(types);
  }

  get buckets(): number {
    return this.#starts.length;
  }

  isIn(timeMs: number): boolean {
    return !this.isOpen || this.stepMs === 0 || this.#startOf(timeMs) === this.startMs;
  }

  add(timeMs: number, stack: Uint32Array, values: readonly ExactColumn[], length: number): void {
    this.startMs = this.#startOf(timeMs);
    this.isOpen = true;
    this.sums.add(stack, values, length);
  }

  /** Writes the open bucket, and leaves what it holds in `sums`. */
  end(): void {
    this.isOpen = false;
    this.sums.take();
    if (this.isGivenUp) return;
    const { stack, values, length } = this.sums;
    if (values.some(({ hi }) => hi !== undefined && hi.some((high) => high >= PAGE_HI))) {
      this.isGivenUp = true;
      return;
    }
    this.#starts.push(this.startMs);
    this.#builder.add(stack, values, length);
    if (this.#builder.byteLength >= PAGE_BYTES) this.#seal();
    this.isGivenUp = this.#sealedBytes + this.#builder.byteLength > this.#limit;
  }

  finish(): Rollup {
    if (this.#builder.rows > 0) this.#seal();
    return { stepMs: this.stepMs, startMs: Float64Array.from(this.#starts), pages: this.#pages };
  }

  #seal(): void {
    const { rows } = this.#builder;
    const bytes = this.#builder.toBytes();
    this.#pages.push({ firstRow: this.#starts.length - rows, rows, bytes });
    this.#sealedBytes += bytes.length;
    this.#builder.clear();
  }

  #startOf(timeMs: number): number {
    return this.stepMs === 0 ? 0 : Math.floor(timeMs / this.stepMs) * this.stepMs;
  }
}

/** High parts below this fit a page: 2^64 / 2^52. */
const PAGE_HI = 4096;
