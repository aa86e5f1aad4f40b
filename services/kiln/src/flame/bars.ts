import { clipped } from '../clipped.ts';
import { nameText } from '@kiln/model';
import { flameNodes, shareOf, type FlameNode } from './flame-tree.ts';
import { valueText, type Values } from '../values.ts';

export interface BarOptions {
  /** Characters per line. */
  readonly columns: number;
  readonly colours: boolean;
  readonly values: Values;
}

/** Boxes below this share of the whole are counted, not shown. */
const MIN_SHARE = 0.005;
const EIGHTHS = ['', '▏', '▎', '▍', '▌', '▋', '▊', '▉'];

/**
 * A flame graph for a terminal: one line a function, its share, a bar that lies where its box lies, its name indented by depth, its own value.
 * Read downwards the bars are the flame graph.
 */
export function flameBars(root: FlameNode, { columns, colours, values }: BarOptions): string {
  const width = Math.max(10, Math.floor(columns * 0.3));
  let hidden = 0;
  let text = `  share  ${'where'.padEnd(width)}  ${valueText(root.total, values)} in all\n`;
  for (const { node, depth } of flameNodes(largestFirst(root))) {
    const share = shareOf(node.total, root.total);
    if (share < MIN_SHARE) {
      hidden++;
      continue;
    }
    const percent = `${(share * 100).toFixed(1)}%`.padStart(7);
    const bar = barAt(shareOf(node.x, root.total) * width, share * width)
      .padEnd(width)
      .slice(0, width);
    const own = node.self === 0n || node.total === 0n ? '' : ` · ${selfText(node, root, values)}`;
    const indent = ' '.repeat(Math.min(depth, Math.max(0, Math.floor((columns - width) / 3))));
    const room = columns - percent.length - width - 4 - indent.length - own.length;
    text += `${percent}  ${colours ? coloured(bar, node.name) : bar}  ${indent}${clipped(nameText(node.name), room)}${own}\n`;
  }
  if (hidden > 0) text += `         ${hidden} more below ${MIN_SHARE * 100}%: -o FILE.svg shows them\n`;
  return text;
}

function selfText(node: FlameNode, root: FlameNode, values: Values): string {
  return node.children.length === 0
    ? valueText(node.self, values)
    : `${(shareOf(node.self, root.total) * 100).toFixed(1)}% self`;
}

/** Whole cells from the left edge, the last one in eighths; never less than an eighth. */
function barAt(x: number, length: number): string {
  const start = Math.floor(x);
  const eighths = Math.max(1, Math.round((x - start + length) * 8));
  return ' '.repeat(start) + '█'.repeat(Math.floor(eighths / 8)) + EIGHTHS[eighths % 8]!;
}

function coloured(bar: string, name: string): string {
  let hash = 0;
  for (let i = 0; i < name.length; i++) hash = (hash * 31 + name.charCodeAt(i)) % 1_000_003;
  const warm = [196, 202, 208, 214, 220, 203, 209, 215, 166, 172][hash % 10]!;
  return `\u001b[38;5;${warm}m${bar}\u001b[0m`;
}

function largestFirst(node: FlameNode): FlameNode {
  const children = node.children
    .map(largestFirst)
    .toSorted((a, b) => (a.total > b.total ? -1 : a.total < b.total ? 1 : 0));
  return { ...node, children };
}
