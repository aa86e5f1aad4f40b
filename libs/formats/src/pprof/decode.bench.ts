import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import { normalizePprof, type NormalizeRequest } from '../normalize.ts';
import { limits } from '../test-support/show-profile.ts';
import { PprofReader } from './decode.ts';

/*
 * Decode and normalise against gunzip of the same bytes (G = `zlib.gunzipSync`, default options), interleaved in one process:
 *
 *   node --conditions=source libs/formats/src/pprof/decode.bench.ts [seconds] [part of a file name]
 *
 * Reads every pprof below KILN_DATA/pprof (../shared/data by default). Ratios count; times are of a machine that does other things too, so the lower
 * quartile of each is shown.
 */

const root = join(import.meta.dirname, '../../../..');
const dir = join(process.env['KILN_DATA'] ?? join(root, '../shared/data'), 'pprof');
const seconds = Number(process.argv[2] ?? 10);
const part = process.argv[3] ?? '';

const request: NormalizeRequest = {
  labels: [
    { name: '__name__', value: 'process_cpu' },
    { name: 'service_name', value: 'bench' },
    { name: 'pod', value: 'bench-0' },
  ],
  limits: { ...limits, maxStacktraceSamples: 0, rejectOlderThanMs: 0, rejectNewerThanMs: 0 },
  receivedMs: 1_800_000_000_000,
};
const reader = new PprofReader();

interface Row {
  readonly name: string;
  readonly raw: Uint8Array;
  readonly gzip: Uint8Array;
  /** Milliseconds of every turn: gunzip, decode, normalise. */
  readonly times: [number[], number[], number[]];
}

function readRow(name: string): Row | undefined {
  const file = readFileSync(join(dir, name));
  const raw = file[0] === 0x1f ? gunzipSync(file) : file;
  try {
    normalizePprof(reader.read(raw), request);
  } catch (error) {
    process.stdout.write(`${name}: left out, ${(error as Error).message}\n`);
    return undefined;
  }
  return { name, raw, gzip: file[0] === 0x1f ? file : gzipSync(raw), times: [[], [], []] };
}

function turn({ gzip, times }: Row, isMeasured: boolean): void {
  const start = performance.now();
  const raw = gunzipSync(gzip);
  const unzipped = performance.now();
  const pprof = reader.read(raw);
  const decoded = performance.now();
  normalizePprof(pprof, request);
  const end = performance.now();
  if (!isMeasured) return;
  times[0].push(unzipped - start);
  times[1].push(decoded - unzipped);
  times[2].push(end - decoded);
}

function quartile(times: readonly number[]): number {
  return times.toSorted((a, b) => a - b)[Math.floor(times.length / 4)]! * 1000;
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]!;
}

function main(): void {
  if (!existsSync(dir)) {
    process.stdout.write(`no profiles at ${dir}: set KILN_DATA\n`);
    return;
  }
  const names = readdirSync(dir).filter((name) => !name.endsWith('.json') && name.includes(part));
  const rows = names.map(readRow).filter((row) => row !== undefined);
  const end = performance.now() + seconds * 1000;
  const warm = performance.now() + seconds * 400;
  while (performance.now() < end) {
    for (const row of rows) {
      const turns = Math.max(1, Math.min(10, Math.floor(100_000 / row.raw.length)));
      for (let i = 0; i < turns; i++) turn(row, performance.now() > warm);
    }
  }
  process.stdout.write(`${'file'.padEnd(30)}     bytes  G us  decode  normalise  decode/G  both/G\n`);
  const ratios: number[] = [];
  for (const { name, raw, times } of rows) {
    const [g, decode, normalise] = times.map(quartile) as [number, number, number];
    ratios.push((decode + normalise) / g);
    const cells = [
      raw.length.toString().padStart(9),
      g.toFixed(0).padStart(5),
      decode.toFixed(0).padStart(7),
      normalise.toFixed(0).padStart(10),
      (decode / g).toFixed(2).padStart(9),
      ((decode + normalise) / g).toFixed(2).padStart(7),
    ];
    process.stdout.write(`${name.padEnd(30)} ${cells.join(' ')}\n`);
  }
  process.stdout.write(`median of both/G: ${median(ratios).toFixed(2)}\n`);
}

main();
