import type { Pprof, PprofStrings } from './pprof/pprof.ts';

const SHAPE = '[go.shape.';
const shapeBytes = new TextEncoder().encode(SHAPE);
const OPEN = 0x5b;

/** A Go function name without the type parameters that the compiler made: `pkg.Map[go.shape.int].Get` → `pkg.Map.Get`. One without end stays. */
export function withoutShapes(name: string): string {
  let rest = name;
  for (let open = rest.indexOf(SHAPE); open >= 0; open = rest.indexOf(SHAPE, open)) {
    let depth = 0;
    let close = open;
    for (; close < rest.length; close++) {
      if (rest[close] === '[') depth++;
      else if (rest[close] === ']' && --depth === 0) break;
    }
    if (close === rest.length) return rest;
    rest = rest.slice(0, open) + rest.slice(close + 1);
  }
  return rest;
}

/** The rows of strings that have type parameters to cut: most profiles have none, and no name need be looked at twice. */
export function rowsWithShapes({ bytes, strings }: Pprof): ReadonlySet<number> {
  const rows = new Set<number>();
  if (strings.length === 0) return rows;
  const end = strings.to[strings.length - 1]!;
  for (let at = bytes.indexOf(OPEN, strings.from[0]); at >= 0 && at < end; at = bytes.indexOf(OPEN, at + 1)) {
    let i = 1;
    while (i < shapeBytes.length && bytes[at + i] === shapeBytes[i]) i++;
    if (i === shapeBytes.length) rows.add(rowAt(strings, at));
  }
  return rows;
}

/** The last string that starts at or before a byte: strings stand in the order of the file. */
function rowAt({ from, length }: PprofStrings, at: number): number {
  let low = 0;
  let high = length;
  while (high - low > 1) {
    const middle = (low + high) >>> 1;
    if (from[middle]! <= at) low = middle;
    else high = middle;
  }
  return low;
}
