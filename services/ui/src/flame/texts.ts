import { amountText, nameText } from '@kiln/model';
import type { FrameTree, Side } from './frame-tree.ts';

/**
 * A value for people. Answers are read as doubles: a count above 2^53 is rounded, and said so.
 */
export function valueText(value: number, unit: string): string {
  if (Math.abs(value) <= Number.MAX_SAFE_INTEGER) return amountText(value, unit);
  const scaled = amountText(value, unit);
  return /\d,\d{3}/.test(scaled) ? `≈ ${value.toExponential(3)} ${unit === 'count' ? '' : unit}`.trimEnd() : scaled;
}

/** A share of 0 to 1 in hundredths; of what is there but small, that it is. */
export function shareText(part: number, whole: number): string {
  if (whole === 0 || part === 0) return '0%';
  const percent = (part / whole) * 100;
  if (Math.abs(percent) < 0.01) return '<0.01%';
  return `${percent.toFixed(Math.abs(percent) < 10 ? 2 : 1)}%`;
}

/** How a share changed, in points of a hundred and in proportion: `+1.20 points, 3.0×`. */
export function changeText(before: number, after: number): string {
  if (before === 0 && after === 0) return 'no change';
  if (before === 0) return 'new';
  if (after === 0) return 'gone';
  const points = (after - before) * 100;
  const sign = points > 0 ? '+' : points < 0 ? '−' : '±';
  return `${sign}${Math.abs(points).toFixed(2)} points, ${(after / before).toFixed(2)}×`;
}

/** A line of what is known of a frame. */
export interface Fact {
  readonly label: string;
  readonly value: string;
}

/** What a description needs beside the tree. */
export interface Described {
  readonly unit: string;
  /** What was sampled, as the tooltip calls it. */
  readonly kind: string | undefined;
  /** Of all samples of the view. */
  readonly whole: number;
  /** The row that fills the view. */
  readonly focus: number;
  /** From the leaves up: then a frame has no own value. */
  readonly upwards: boolean;
}

/** What is said of a frame: by the tooltip, and by a screen reader. */
export function factsOf(tree: FrameTree, row: number, { unit, whole, focus, upwards }: Described): Fact[] {
  const { total, self, sides } = tree;
  if (sides !== undefined) {
    const [base, now] = sides;
    const share = ({ total: of, whole: all }: Side): number => (all === 0 ? 0 : of[row]! / all);
    return [
      { label: 'left', value: `${valueText(base.total[row]!, unit)} (${shareText(base.total[row]!, base.whole)})` },
      { label: 'right', value: `${valueText(now.total[row]!, unit)} (${shareText(now.total[row]!, now.whole)})` },
      { label: 'change of share', value: changeText(share(base), share(now)) },
      ...(upwards
        ? []
        : [{ label: 'self', value: `${valueText(base.self[row]!, unit)} → ${valueText(now.self[row]!, unit)}` }]),
    ];
  }
  const facts = [
    { label: 'total', value: valueText(total[row]!, unit) },
    ...(upwards ? [] : [{ label: 'self', value: `${valueText(self[row]!, unit)} (${shareText(self[row]!, whole)})` }]),
    { label: 'of all', value: shareText(total[row]!, whole) },
  ];
  if (focus > 0) facts.push({ label: 'of the view', value: shareText(total[row]!, total[focus]!) });
  return facts;
}

/** One sentence of a frame, for who does not see the picture. */
export function sentenceOf(tree: FrameTree, row: number, described: Described): string {
  const facts = factsOf(tree, row, described).map(({ label, value }) => `${label} ${value}`);
  return `${nameText(tree.names[tree.name[row]!]!)}: ${facts.join(', ')}.`;
}
