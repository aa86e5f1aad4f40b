import type { FlameNode } from './flame-tree.ts';
import { valueDigits, type Values } from '../values.ts';

/** Stacks as folded text, root first: `main;serve;work 42`. A `;` or a line end inside a name becomes `:` or a blank. */
export function collapsedStacks(root: FlameNode, values: Pick<Values, 'scale'> = { scale: 1 }): string {
  let text = '';
  const walk = (node: FlameNode, stack: string): void => {
    for (const child of node.children) {
      const name = child.name.replaceAll(';', ':').replaceAll(/\s*[\r\n]+\s*/g, ' ');
      const path = stack === '' ? name : `${stack};${name}`;
      if (child.self > 0n) text += `${path} ${valueDigits(child.self, values)}\n`;
      walk(child, path);
    }
  };
  walk(root, '');
  return text;
}
