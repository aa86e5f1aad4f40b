import type { FlameNode } from './flame-tree.ts';
import { valueDigits, type Values } from '../values.ts';

/** Units as speedscope names them; all else is plain numbers. */
const units: Readonly<Record<string, string>> = {
  nanoseconds: 'nanoseconds',
  microseconds: 'microseconds',
  milliseconds: 'milliseconds',
  seconds: 'seconds',
  bytes: 'bytes',
};

/** A file of https://www.speedscope.app/file-format-schema.json with one sampled profile: a stack of frames and a weight for each box that has a value of its own. */
export function speedscopeText(root: FlameNode, name: string, values: Values): string {
  const frames = new Map<string, number>();
  const samples: string[] = [];
  const weights: bigint[] = [];
  const walk = (node: FlameNode, path: readonly number[]): void => {
    for (const child of node.children) {
      const frame = frames.get(child.name) ?? frames.size;
      frames.set(child.name, frame);
      const stack = [...path, frame];
      if (child.self > 0n) {
        samples.push(`[${stack.join(',')}]`);
        weights.push(child.self);
      }
      walk(child, stack);
    }
  };
  walk(root, []);
  const shared = { frames: [...frames.keys()].map((one) => ({ name: one })) };
  const end = weights.reduce((sum, weight) => sum + weight, 0n);
  const profile = `{"type":"sampled","name":${JSON.stringify(name)},"unit":${JSON.stringify(units[values.unit] ?? 'none')},"startValue":0,"endValue":${valueDigits(end, values)},"samples":[${samples.join(',')}],"weights":[${weights.map((weight) => valueDigits(weight, values)).join(',')}]}`;
  return `{"$schema":"https://www.speedscope.app/file-format-schema.json","exporter":"kiln","name":${JSON.stringify(name)},"activeProfileIndex":0,"shared":${JSON.stringify(shared)},"profiles":[${profile}]}\n`;
}
