import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { corpus } from '../support/corpus.ts';
import { seededRandom } from '../support/seeded-random.ts';
import { httpRows } from './http-rows.ts';
import { checkObject, corpusRows, realRows, sizeRows, type RealFile } from './ingest-rows.ts';
import type { Row } from './measure.ts';
import { ingestAll, seal, type Push } from './pipeline.ts';
import { mergeRows, objectRows, seriesRows } from './query-rows.ts';

/*
 * ./kiln bench [--json] [--rounds N]
 * Ratios in one process, alternatives in turns, medians; never a test: a target that is missed is shown and nothing fails.
 */
const json = process.argv.includes('--json');
const at = process.argv.indexOf('--rounds');
const rounds = at > 0 ? Number(process.argv[at + 1]) : 5;
if (!Number.isInteger(rounds) || rounds < 1) throw new Error('--rounds takes a whole number from 1 on');

const START_MS = 1_800_000_000_000;
const data = process.env['KILN_DATA'] ?? resolve(import.meta.dirname, '../../../shared/data');

/** Per file: what design engine.md §1.3 measured over its own gunzip, and 15 %. */
const realTargets: Readonly<Record<string, number>> = {
  'go-cpu-uncompressed.pb': 2.4,
  'go-cpu-large.pb.gz': 3.1,
  'java-cpu.pb.gz': 3.3,
  'python-cpu.pb.gz': 4.5,
  'node-cpu.pb.gz': 2.3,
  'rust-cpu.pb.gz': 2.8,
  'go-fgprof.pb.gz': 3,
  'go-heap.pb.gz': 3.9,
  'go-heap-large.pb.gz': 4.5,
};

function* pushesOf(options: {
  services: number;
  pods: number;
  intervals: number;
  heapEvery?: number;
  draws?: number;
  stacks?: number;
}): Generator<Push> {
  for (const { gzip, labels } of corpus({ seed: 'bench', startMs: START_MS, ...options })) {
    yield { gzip, labels: labels.map(([name, value]) => ({ name, value })) };
  }
}

function realFiles(): RealFile[] {
  const folder = join(data, 'pprof');
  if (!existsSync(folder)) return [];
  const labels = [
    { name: '__name__', value: 'process_cpu' },
    { name: 'service_name', value: 'real' },
  ];
  return readdirSync(folder)
    .filter((name) => /\.(gz|pb|pprof)$/.test(name) && !name.startsWith('dotnet-pprof-3'))
    .map((name) => ({
      name,
      gzip: new Uint8Array(readFileSync(join(folder, name))),
      labels,
      ...(realTargets[name] === undefined ? {} : { target: realTargets[name] }),
    }));
}

function say(line: string): void {
  if (!json) process.stdout.write(`${line}\n`);
}

function show({ name, median, min, max, unit, target, note }: Row): void {
  const number = (value: number): string =>
    value >= 1_000 ? value.toFixed(0) : value >= 100 ? value.toFixed(1) : value.toFixed(2);
  const range = min === max ? '' : `${number(min)} … ${number(max)}`;
  const wanted = target === undefined ? '' : `≤ ${target} ${median <= target ? 'met' : 'MISSED'}`;
  say(
    `${name.padEnd(58)} ${number(median).padStart(9)} ${unit.padEnd(13)} ${range.padEnd(20)} ${wanted.padEnd(14)} ${note ?? ''}`.trimEnd(),
  );
}

const all: Row[] = [];
const add = (rows: readonly Row[]): void => {
  for (const one of rows) {
    all.push(one);
    show(one);
  }
};

const pushes = [...pushesOf({ services: 4, pods: 4, intervals: 12, heapEvery: 12 })];
say(
  `Node ${process.versions.node}, ${rounds} rounds, ${pushes.length} profiles of the corpus, median and range; G is one gunzip of the same bytes`,
);
add(corpusRows(pushes, rounds));
const slice = [...pushesOf({ services: 1, pods: 20, intervals: 1 })];
const [small] = [...pushesOf({ services: 1, pods: 1, intervals: 1, draws: 55, stacks: 60 })];
const repeated = [...pushesOf({ services: 1, pods: 4, intervals: 120 })];
add(sizeRows(repeated, slice, small!));
add(mergeRows(seededRandom('merge'), rounds));
const object = seal(ingestAll(repeated));
checkObject(object);
add(objectRows(object, 'process_cpu:cpu:nanoseconds:cpu:nanoseconds', rounds));
add(seriesRows(rounds));
add(await httpRows(pushes, rounds));
const files = realFiles();
if (files.length === 0) say(`real files: none at ${join(data, 'pprof')} (KILN_DATA names another folder)`);
add(realRows(files, rounds));
if (json) process.stdout.write(`${JSON.stringify({ node: process.versions.node, rounds, rows: all }, null, 1)}\n`);
