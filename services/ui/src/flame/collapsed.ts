import { frameTree } from './frame-tree.ts';
import type { FlameData } from './props.ts';

/**
 * Stacks as collapsed text, root first: `main;serve;work 42`. A `;` or a line end inside a name becomes `:` or a blank.
 * @throws KilnError `data_loss` when the numbers of the answer contradict each other.
 */
export function collapsedText(data: FlameData): string {
  const { length, names, name, parent, self } = frameTree(data);
  const plain = names.map((text) => text.replaceAll(';', ':').replaceAll(/\s*[\r\n]+\s*/g, ' '));
  const paths: string[] = [''];
  const lines: string[] = [];
  for (let row = 1; row < length; row++) {
    const above = parent[row]!;
    paths[row] = above === 0 ? plain[name[row]!]! : `${paths[above]};${plain[name[row]!]}`;
    if (self[row]! > 0) lines.push(`${paths[row]} ${digits(self[row]!)}\n`);
  }
  return lines.join('');
}

/** Never with an exponent: other tools read digits. */
function digits(value: number): string {
  return Number.isInteger(value) ? BigInt(value).toString() : String(value);
}
