import type { ExactSums, Symbols } from '@kiln/model';
import { addressName } from './stack-frames.ts';

/** Leaves the sums of stacktraces whose outermost frames are a call site; the others become 0. An empty call site is that of all. */
export function keepCallSite(symbols: Symbols, callSite: readonly Uint8Array[], { lo, hi }: ExactSums): void {
  if (callSite.length === 0) return;
  const kept = matchStacks(symbols, callSite);
  for (let stack = 0; stack < kept.length; stack++) {
    if (kept[stack] !== 0) continue;
    lo[stack] = 0;
    hi[stack] = 0;
  }
}

/** A byte per stack row, not 0 where the outermost frames are those of the call site. Hot: once per node of the location tree. */
export function matchStacks(symbols: Symbols, callSite: readonly Uint8Array[]): Uint8Array {
  const { tree, stacks, locations } = symbols;
  const { lineStart, lineFunction } = locations;
  /** How many frames are matched down to each node; -1 where one is another. */
  const matched = new Int32Array(tree.length);
  for (let node = 1; node < tree.length; node++) {
    let frames = matched[tree.parent[node]!]!;
    const place = tree.location[node]!;
    const first = lineStart[place]!;
    const end = lineStart[place + 1]!;
    if (frames >= 0 && frames < callSite.length && first === end)
      frames = isEqual(encoder.encode(addressName(symbols, place)), callSite[frames]!) ? frames + 1 : -1;
    for (let line = end - 1; line >= first && frames >= 0 && frames < callSite.length; line--)
      frames = isEqual(functionName(symbols, lineFunction[line]!), callSite[frames]!) ? frames + 1 : -1;
    matched[node] = frames;
  }
  const kept = new Uint8Array(stacks.length);
  for (let stack = 0; stack < kept.length; stack++)
    if (matched[stacks.node[stack]!] === callSite.length) kept[stack] = 1;
  return kept;
}

function functionName({ strings, functions }: Symbols, fn: number): Uint8Array {
  const text = functions.name[fn]!;
  return strings.bytes.subarray(strings.offsets[text], strings.offsets[text + 1]);
}

function isEqual(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

const encoder = new TextEncoder();
