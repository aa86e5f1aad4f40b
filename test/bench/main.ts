import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { corpus } from '../support/corpus.ts';
import { seededRandom } from '../support/seeded-random.ts';
import { ToolOptions } from '../support/tool-options.ts';
import { readBaseline, writeBaseline } from './baseline.ts';
import { compactRows } from './compact-rows.ts';
import { delayRows } from './delay-rows.ts';
import { httpRows } from './http-rows.ts';
import { checkObject, corpusRows, realRows, sizeRows, type RealFile } from './ingest-rows.ts';
import type { Effort, Row } from './measure.ts';
import { headOfAnHour, seal, type Push } from './pipeline.ts';
import { neighbourRows } from './neighbour-rows.ts';
import { openLoopRows } from './open-loop.ts';
import { benchRanges, fullRanges } from './range-rows.ts';
import { mergeRows, objectRows, seriesRows } from './query-rows.ts';
import { readmeTable } from './readme-table.ts';
import { selfRows } from './self-rows.ts';
import { tableHead, tableLine } from './table.ts';
import { fullUi, uiRows } from './ui-rows.ts';

const HELP = `./kiln bench: what a profile costs on this machine, as ratios; some minutes. A target that is missed is shown, and nothing fails.

  --rounds N          rounds of each row at least (5)
  --seconds N         go on with rounds for as long (0)
  --full              the whole corpus of the design, not a few services
  --json              the rows as JSON on stdout
  --readme            the table of README on stdout, the rows on stderr
  --write-baseline    these numbers are what later ones are compared with

  --latency           instead: waiting under an open loop, in wall time, on a machine that does nothing else
  --loop-seconds N    of each loop (60)
  --loops N           of which the median counts (5)

  --ranges            instead: queries of long ranges over much data
  --ui                instead: the flame graph of the page, in Chromium
  --self              instead: what Kiln profiling itself takes, half an hour
  --pairs N           of turns, with and without (10)
  --turn-seconds N    of each turn (60)

KILN_DATA names a folder whose pprof/ holds real profiles.
`;
const flags = new ToolOptions('bench', HELP).noWords();
/** Ratios in one process, alternatives in turns, medians; never a test. */
const json = flags.has('--json');
/** The table of README on stdout; the rows as they come on stderr. */
const readme = flags.has('--readme');
const effort: Effort = { rounds: flags.number('--rounds', 5, 1), seconds: flags.number('--seconds', 0, 0) };
/** The corpus: a few services by default, that of design engine.md §0 with --full. */
const size = flags.has('--full')
  ? { services: 8, pods: 6, intervals: 40, heapEvery: 20 }
  : { services: 4, pods: 4, intervals: 12, heapEvery: 12 };

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
  if (!json) (readme ? process.stderr : process.stdout).write(`${line}\n`);
}

const baseline = readBaseline();
const all: Row[] = [];
const add = (rows: readonly Row[]): void => {
  for (const one of rows) {
    all.push(one);
    say(tableLine(one, baseline));
  }
};

if (flags.has('--latency')) {
  // Wall time, on a machine that does nothing else.
  say(tableHead());
  const pushed = [...pushesOf({ services: 4, pods: 4, intervals: 6, draws: 2_400 })];
  add(await openLoopRows(pushed, flags.number('--loop-seconds', 60, 5), flags.number('--loops', 5, 1)));
  add(await delayRows(effort.rounds));
  add(await neighbourRows(effort.rounds));
  if (json) process.stdout.write(`${JSON.stringify({ node: process.versions.node, rows: all }, null, 1)}\n`);
  process.exit(0);
}
if (flags.has('--ranges')) {
  process.stdout.write(await benchRanges(fullRanges, effort.rounds, (line) => process.stderr.write(`${line}\n`)));
  process.exit(0);
}
if (flags.has('--ui')) {
  say(tableHead());
  add(await uiRows({ rounds: effort.rounds, ...fullUi }));
  if (json) process.stdout.write(`${JSON.stringify({ node: process.versions.node, rows: all }, null, 1)}\n`);
  process.exit(0);
}
if (flags.has('--self')) {
  say(tableHead());
  const pushed = [...pushesOf({ services: 4, pods: 4, intervals: 6, draws: 2_400 })];
  add(
    await selfRows(pushed, {
      pairs: flags.number('--pairs', 10, 2),
      turnSeconds: flags.number('--turn-seconds', 60, 1),
    }),
  );
  if (json) process.stdout.write(`${JSON.stringify({ node: process.versions.node, rows: all }, null, 1)}\n`);
  process.exit(0);
}
const pushes = [...pushesOf(size)];
say(
  `Node ${process.versions.node}, ${pushes.length} profiles; CPU of ${effort.rounds} rounds or more, G is one gunzip of the same bytes; baseline of ${baseline.date}, Node ${baseline.node}`,
);
say(tableHead());
add(corpusRows(pushes, effort));
const files = realFiles();
if (files.length === 0) say(`real files: none at ${join(data, 'pprof')} (KILN_DATA names another folder)`);
add(realRows(files, effort));
const slice = [...pushesOf({ services: 1, pods: 20, intervals: 1 })];
const [small] = [...pushesOf({ services: 1, pods: 1, intervals: 1, draws: 600, stacks: 60 })];
const repeated = [...pushesOf({ services: 1, pods: 4, intervals: 120 })];
add(sizeRows(repeated, slice, small!));
add(compactRows(repeated, 80, effort));
add(mergeRows(seededRandom('merge'), effort));
const hour = headOfAnHour([...pushesOf({ services: 1, pods: 20, intervals: 12, stacks: 6_000 })]);
const object = seal(hour.head);
checkObject(object);
add(objectRows(object, hour, 'process_cpu:cpu:nanoseconds:cpu:nanoseconds', effort));
add(seriesRows(effort));
add(await httpRows(pushes, effort));

if (json) process.stdout.write(`${JSON.stringify({ node: process.versions.node, ...effort, rows: all }, null, 1)}\n`);
if (readme) process.stdout.write(readmeTable(all));
if (flags.has('--write-baseline')) writeBaseline(all, new Date().toISOString().slice(0, 10));
