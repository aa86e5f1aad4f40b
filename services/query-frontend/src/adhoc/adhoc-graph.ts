import { gunzipSync } from 'node:zlib';
import { decodePprof, textOf, type Pprof } from '@kiln/formats';
import { KilnError } from '@kiln/model';
import { diffGraph, flameGraph, stacktracesPartial, treeOfPprof, type DiffGraph, type QueryLimits } from '@kiln/query';
import { flamebearerText } from '../routes/flamebearer.ts';

/** A file to look at, as it was uploaded. */
export interface FileToShow {
  readonly name: string;
  readonly bytes: Uint8Array;
}

/** What is shown of a file, or of two beside each other. */
export interface ShowFile {
  readonly file: FileToShow;
  /** The right side of a diff, whose left side is `file`. */
  readonly other?: FileToShow;
  /** A sample type; undefined for the first. */
  readonly type: string | undefined;
  readonly maxNodes: number;
  /** What the file may hold, decompressed. */
  readonly maxBytes: number;
}

/** A flame graph of a file, and what else there is to see. */
export interface ShownFile {
  readonly type: string;
  readonly types: readonly string[];
  /** Flamebearer version 1. */
  readonly flamebearer: string;
}

/** @throws KilnError `invalid_argument` for a file that is no pprof, naming what it seems to be, or has no such type. */
export function showFile({ file, other, type: asked, maxNodes, maxBytes }: ShowFile, limits: QueryLimits): ShownFile {
  const pprofs = [file, ...(other === undefined ? [] : [other])].map((one) => readFile(one, maxBytes));
  const [types, otherTypes] = pprofs.map((pprof) => pprof.sampleTypes.map((one) => textOf(pprof, one.type)));
  const both = types!.filter((type) => otherTypes?.includes(type) ?? true);
  const type = asked ?? both[0];
  if (type === undefined || !both.includes(type)) {
    const wanted = asked === undefined ? 'any profile type' : `the profile type ${JSON.stringify(asked.slice(0, 100))}`;
    const have = other === undefined ? `${file.name} does not have` : `${file.name} and ${other.name} do not both have`;
    throw new KilnError('invalid_argument', `${have} ${wanted}: there is ${both.join(', ') || 'none'}`);
  }
  const trees = pprofs.map((pprof, i) => treeOfPprof(pprof, [types!, otherTypes!][i]!.indexOf(type), limits));
  const sides = trees.map((tree) => ({ range: EVER, partial: stacktracesPartial(tree) }));
  const [pprof] = pprofs as [Pprof];
  return {
    type,
    types: both,
    flamebearer: flamebearerText({
      graph:
        other === undefined
          ? flameGraph(trees[0]!, maxNodes, EVER)
          : withTotal(diffGraph(sides[0]!, sides[1]!, maxNodes)),
      format: other === undefined ? 'single' : 'double',
      type,
      unit: textOf(pprof, pprof.sampleTypes[types!.indexOf(type)]!.unit),
      timeline: null,
      groups: null,
    }),
  };
}

function withTotal(graph: DiffGraph): DiffGraph & { readonly total: bigint } {
  return { ...graph, total: graph.leftTicks + graph.rightTicks };
}

/** A file has no range. */
const EVER = { startMs: 0, endMs: 0 };

function readFile({ name, bytes }: FileToShow, maxBytes: number): Pprof {
  const format = formatOf(name, bytes);
  if (format !== 'pprof')
    throw new KilnError('invalid_argument', `${name} looks like ${format}: this version reads pprof, plain or gzip`);
  try {
    return decodePprof(isGzip(bytes) ? gunzipSync(bytes, { maxOutputLength: maxBytes || undefined }) : bytes);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE')
      throw new KilnError(
        'invalid_argument',
        `${name} holds more than ${maxBytes} bytes, which max_profile_size_bytes allows`,
      );
    throw new KilnError('invalid_argument', `${name} is no pprof: ${(error as Error).message}`, { cause: error });
  }
}

/** By its name, then by its content (contract/pyroscope.md §1.8). */
function formatOf(name: string, bytes: Uint8Array): string {
  const byName = /\.(json|pprof|collapsed|perf_script)$/.exec(name)?.[1];
  if (byName !== undefined) return byName === 'json' ? FLAMEBEARER : byName.replace('_', ' ');
  if (bytes.length < 2) return 'nothing';
  if (bytes[0] === 0x7b) return FLAMEBEARER;
  const isText = bytes.subarray(0, 100).every((byte) => byte >= 0x20 || (byte >= 0x09 && byte <= 0x0d));
  return isGzip(bytes) || !isText ? 'pprof' : 'collapsed text or a perf script';
}

const FLAMEBEARER = 'flamebearer JSON';

function isGzip(bytes: Uint8Array): boolean {
  return bytes[0] === 0x1f && bytes[1] === 0x8b;
}
