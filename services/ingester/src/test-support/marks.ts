import type { Question } from '../partition-answer.ts';
import { ANN, BY_MARK, marked, type Rig } from './rig.ts';

/** The steps of a cut at which a process may die. */
export const STEPS: readonly string[] = [
  'before-segment',
  'after-segment',
  'after-manifest',
  'after-chain',
  'after-drop',
];

/** Marks with values that no sum of others equals. */
export function pushes(rig: Rig, from: number, to: number): Promise<void[]> {
  return Promise.all(
    Array.from({ length: to - from }, (_, i) => rig.push(ANN, marked(`m${from + i}`, 2 ** (from + i)))),
  );
}

export function sums(from: number, to: number): Record<string, number> {
  return Object.fromEntries(Array.from({ length: to - from }, (_, i) => [`m${from + i}`, 2 ** (from + i)]));
}

/** Ann's question for all there is, from a reader that knows the log's end. */
export function everything(upTo: number): Question {
  return { tenant: ANN, query: BY_MARK, from: -1, upTo };
}
