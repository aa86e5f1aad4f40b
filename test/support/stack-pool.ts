import type { BuiltFrame } from './profile-builder.ts';
import { pick, pickIndex, type Random } from './seeded-random.ts';

/** Stacks of one service, leaf first, with the weight each is drawn by. */
export interface StackPool {
  readonly stacks: readonly (readonly BuiltFrame[])[];
  readonly weights: readonly number[];
}

const verbs = [
  'Serve',
  'Handle',
  'Read',
  'Write',
  'Encode',
  'Decode',
  'Lookup',
  'Append',
  'Flush',
  'Merge',
  'Scan',
  'Hash',
  'Copy',
  'Wait',
];
const nouns = [
  'HTTP',
  'Request',
  'Order',
  'Cart',
  'Row',
  'Batch',
  'Index',
  'Block',
  'Token',
  'Session',
  'Frame',
  'Buffer',
  'Tree',
  'Page',
];
const packages = [
  'net/http',
  'encoding/json',
  'runtime',
  'bufio',
  'sync',
  'database/sql',
  'shop/cart',
  'shop/orders',
  'shop/store',
  'shop/auth',
];

/**
 * Grows stacks by cutting existing ones and joining the halves of two that share a function, from a few seeds (engine.md §0): so that frames repeat as
 * in real programs. Weights fall as in Zipf's law (exponent 1.05).
 */
export function growStackPool(
  random: Random,
  options: { readonly stacks: number; readonly functions: number; readonly meanDepth: number },
): StackPool {
  const functions = Array.from({ length: options.functions }, (_, i) => functionFrame(random, i));
  const seeds = Math.max(4, Math.floor(options.stacks / 20));
  const stacks: BuiltFrame[][] = [];
  const seen = new Set<string>();
  const byFunction = new Map<string, [number, number][]>();
  const keep = (stack: BuiltFrame[]): void => {
    const key = stack.map((f) => `${f.name}:${f.line}`).join(';');
    if (seen.has(key) || stack.length === 0) return;
    seen.add(key);
    for (const [depth, frame] of stack.entries()) {
      const places = byFunction.get(frame.name!) ?? [];
      places.push([stacks.length, depth]);
      byFunction.set(frame.name!, places);
    }
    stacks.push(stack);
  };
  // Root functions are few, leaves many: depth in the list is depth in the program.
  while (stacks.length < seeds) {
    const depth = 3 + pickIndex(random, options.meanDepth * 2 - 4);
    const root = functions[pickIndex(random, 3)]!;
    keep([...Array.from({ length: depth - 1 }, () => placed(random, pick(random, functions))), root]);
  }
  for (let tries = 0; stacks.length < options.stacks && tries < options.stacks * 50; tries++) {
    const stack = pick(random, stacks);
    const at = pickIndex(random, stack.length);
    const [other, depth] = pick(random, byFunction.get(stack[at]!.name!)!);
    const joined = [...stack.slice(0, at), ...stacks[other]!.slice(depth)];
    // A leaf of its own now and then, so that the pool does not close in on itself.
    if (random() < 0.3) joined.unshift(placed(random, pick(random, functions)));
    if (joined.length <= options.meanDepth * 3) keep(joined);
  }
  return { stacks, weights: stacks.map((_, rank) => 1 / (rank + 1) ** 1.05) };
}

function functionFrame(random: Random, number: number): BuiltFrame {
  const home = pick(random, packages);
  const name = `${home}.(*${pick(random, nouns)}).${pick(random, verbs)}${pick(random, nouns)}${number}`;
  const startLine = 10 + pickIndex(random, 900);
  return {
    name,
    systemName: name,
    file: `/usr/local/go/src/${home}/file${number % 17}.go`,
    startLine,
    line: startLine + 1 + pickIndex(random, 60),
    binary: '/usr/bin/shop',
    buildId: '5f0c3b6a',
    address: 0x400000n + BigInt(number * 256),
  };
}

/** The same function at one of three lines, as call sites differ. */
function placed(random: Random, frame: BuiltFrame): BuiltFrame {
  const site = pickIndex(random, 3);
  return { ...frame, line: frame.line! + site, address: frame.address! + BigInt(site * 16) };
}

/** How often each stack is seen in `draws` draws by weight. Stacks never drawn are absent. */
export function drawStacks(random: Random, { weights }: StackPool, draws: number): Map<number, number> {
  const sums: number[] = [];
  let total = 0;
  for (const weight of weights) sums.push((total += weight));
  const counts = new Map<number, number>();
  for (let i = 0; i < draws; i++) {
    const target = random() * total;
    let low = 0;
    let high = sums.length - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (sums[middle]! < target) low = middle + 1;
      else high = middle;
    }
    counts.set(low, (counts.get(low) ?? 0) + 1);
  }
  return counts;
}
