import { KEPT, textOf, type Pprof } from '@kiln/formats';
import { ExactSums } from '@kiln/model';

/** What one function costs. */
export interface FunctionSum {
  readonly name: string;
  /** Of the stacks that end in it. */
  readonly self: bigint;
  /** Of the stacks that it is in, each counted once however often it recurs. */
  readonly total: bigint;
}

/** The functions of a profile and the sum of all its stacks. */
export interface FunctionSums {
  readonly functions: FunctionSum[];
  readonly total: bigint;
}

/**
 * Sums the first value of a merged profile by function name. Frames are named as in a flame graph: by the function alone, and a location without lines
 * `<binary>!0x<address>`.
 */
export function functionSums(pprof: Pprof): FunctionSums {
  const { names, namesOf } = frameNames(pprof);
  const { samples, sampleTypes } = pprof;
  const { frame, frameStart } = samples.paths;
  const self = new ExactSums(names.length);
  const total = new ExactSums(names.length);
  const all = new ExactSums(1);
  /** Sample, from 1 on, in which a name was last counted. */
  const counted = new Uint32Array(names.length);
  for (let sample = 0; sample < samples.length; sample++) {
    if (samples.state[sample] !== KEPT) continue;
    const lo = samples.lo[sample * sampleTypes.length]!;
    const hi = samples.hi?.[sample * sampleTypes.length] ?? 0;
    all.add(0, lo, hi);
    const path = samples.path[sample]!;
    let isLeaf = true;
    for (let i = frameStart[path]!; i < frameStart[path + 1]!; i++) {
      for (const name of namesOf[frame[i]!]!) {
        if (isLeaf) self.add(name, lo, hi);
        isLeaf = false;
        if (counted[name] === sample + 1) continue;
        counted[name] = sample + 1;
        total.add(name, lo, hi);
      }
    }
  }
  const functions = names.map((name, row) => ({ name, self: self.get(row), total: total.get(row) }));
  return { functions: functions.filter((one) => one.total > 0n), total: all.get(0) };
}

/** The distinct names of frames, and by location row + 1, as paths have it, the rows of those it stands for, innermost first. */
function frameNames(pprof: Pprof): { names: string[]; namesOf: number[][] } {
  const { functions, locations, mappings } = pprof;
  const rows = new Map<string, number>();
  const rowOf = (name: string): number => {
    const row = rows.get(name) ?? rows.size;
    rows.set(name, row);
    return row;
  };
  const functionById = new Map<bigint, number>();
  for (let i = 0; i < functions.length; i++) {
    functionById.set(joined(functions.idLo[i]!, functions.idHi[i]!), rowOf(textOf(pprof, functions.name[i]!)));
  }
  const binaryById = new Map<bigint, string>();
  for (let i = 0; i < mappings.length; i++) {
    binaryById.set(joined(mappings.idLo[i]!, mappings.idHi[i]!), baseName(textOf(pprof, mappings.fileName[i]!)));
  }
  const namesOf: number[][] = [[]];
  for (let place = 0; place < locations.length; place++) {
    const names: number[] = [];
    for (let line = locations.lineStart[place]!; line < locations.lineStart[place + 1]!; line++) {
      const id = joined(locations.lineFunctionIdLo[line]!, locations.lineFunctionIdHi[line]!);
      const name = functionById.get(id);
      if (name !== undefined) names.push(name);
    }
    if (names.length === 0) {
      const binary = binaryById.get(joined(locations.mappingIdLo[place]!, locations.mappingIdHi[place]!)) ?? '';
      const address = joined(locations.addressLo[place]!, locations.addressHi[place]!);
      names.push(rowOf(`${binary === '' ? 'unknown' : binary}!0x${address.toString(16)}`));
    }
    namesOf.push(names);
  }
  return { names: [...rows.keys()], namesOf };
}

function baseName(path: string): string {
  return path.slice(Math.max(path.lastIndexOf('/'), path.lastIndexOf('\\')) + 1);
}

/** A 64-bit number of its halves. */
function joined(lo: number, hi: number): bigint {
  return (BigInt(hi >>> 0) << 32n) | BigInt(lo >>> 0);
}
