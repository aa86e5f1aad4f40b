import { KEPT, textOf, type Pprof } from '@kiln/formats';
import { FunctionTree } from './function-tree.ts';
import type { QueryLimits } from './limits.ts';

/**
 * The function tree of one value type of a pprof. Frames are named as everywhere: by the function alone, and a location without lines
 * `<binary>!0x<address>`. Samples with a negative value are left out.
 * @param type number of the value type.
 * @throws KilnError `resource_exhausted` above the limit of nodes.
 */
export function treeOfPprof(pprof: Pprof, type: number, limits: QueryLimits = {}): FunctionTree {
  const tree = new FunctionTree(limits);
  const { names, start } = frameNames(pprof, tree);
  const { samples, sampleTypes } = pprof;
  const { frame, frameStart } = samples.paths;
  let found = 0;
  for (let sample = 0; sample < samples.length; sample++) {
    if (samples.state[sample] !== KEPT) continue;
    const lo = samples.lo[sample * sampleTypes.length + type]!;
    const hi = samples.hi?.[sample * sampleTypes.length + type] ?? 0;
    if (lo === 0 && hi === 0) continue;
    const path = samples.path[sample]!;
    let node = 0;
    for (let i = frameStart[path + 1]! - 1; i >= frameStart[path]!; i--) {
      const place = frame[i]!;
      for (let line = start[place + 1]! - 1; line >= start[place]!; line--) {
        node = tree.child(node, names[line]!, found + 1);
        found = node;
      }
    }
    tree.add(node, lo, hi);
  }
  return tree;
}

/** By location row + 1, as paths have it, the names of the frames that it stands for, innermost first: from start[i] to start[i + 1]. */
function frameNames(pprof: Pprof, { names: table }: FunctionTree): { names: number[]; start: number[] } {
  const { functions, locations, mappings } = pprof;
  const functionById = new Map<bigint, number>();
  for (let i = 0; i < functions.length; i++) {
    functionById.set(
      joined(functions.idLo[i]!, functions.idHi[i]!),
      table.internText(textOf(pprof, functions.name[i]!)),
    );
  }
  const binaryById = new Map<bigint, string>();
  for (let i = 0; i < mappings.length; i++) {
    binaryById.set(joined(mappings.idLo[i]!, mappings.idHi[i]!), baseName(textOf(pprof, mappings.fileName[i]!)));
  }
  const names: number[] = [];
  const start = [0, 0];
  for (let place = 0; place < locations.length; place++) {
    const first = names.length;
    for (let line = locations.lineStart[place]!; line < locations.lineStart[place + 1]!; line++) {
      const name = functionById.get(joined(locations.lineFunctionIdLo[line]!, locations.lineFunctionIdHi[line]!));
      if (name !== undefined) names.push(name);
    }
    if (names.length === first) {
      const binary = binaryById.get(joined(locations.mappingIdLo[place]!, locations.mappingIdHi[place]!)) ?? '';
      const address = joined(locations.addressLo[place]!, locations.addressHi[place]!);
      names.push(table.internText(`${binary === '' ? 'unknown' : binary}!0x${address.toString(16)}`));
    }
    start.push(names.length);
  }
  return { names, start };
}

function baseName(path: string): string {
  return path.slice(Math.max(path.lastIndexOf('/'), path.lastIndexOf('\\')) + 1);
}

/** A 64-bit number of its halves. */
function joined(lo: number, hi: number): bigint {
  return (BigInt(hi >>> 0) << 32n) | BigInt(lo >>> 0);
}
