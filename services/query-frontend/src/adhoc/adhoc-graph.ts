import { gunzipSync } from 'node:zlib';
import { decodePprof, textOf, type Pprof } from '@kiln/formats';
import { KilnError } from '@kiln/model';
import { flameGraph, treeOfPprof, type QueryLimits } from '@kiln/query';
import { flameGraphMessage } from '../messages.ts';
import { flamebearerText } from '../routes/flamebearer.ts';

/** A file to look at, as it was uploaded. */
export interface FileToShow {
  readonly name: string;
  readonly bytes: Uint8Array;
}

/** What is shown of a file. */
export interface ShowFile {
  readonly file: FileToShow;
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
export function showFile({ file, type, maxNodes, maxBytes }: ShowFile, limits: QueryLimits): ShownFile {
  const pprof = readFile(file, maxBytes);
  const types = pprof.sampleTypes.map((one) => textOf(pprof, one.type));
  const number = type === undefined ? 0 : types.indexOf(type);
  if (number < 0 || types.length === 0) {
    const asked = type === undefined ? 'any profile type' : `the profile type ${JSON.stringify(type.slice(0, 100))}`;
    throw new KilnError(
      'invalid_argument',
      `${file.name} does not have ${asked}: it has ${types.join(', ') || 'none'}`,
    );
  }
  const graph = flameGraph(treeOfPprof(pprof, number, limits), maxNodes, EVER);
  return {
    type: types[number]!,
    types,
    flamebearer: flamebearerText({
      graph: flameGraphMessage(graph),
      format: 'single',
      type: types[number]!,
      unit: textOf(pprof, pprof.sampleTypes[number]!.unit),
      timeline: null,
      groups: null,
    }),
  };
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
