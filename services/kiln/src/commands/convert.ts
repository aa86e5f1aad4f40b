import { gzipSync } from 'node:zlib';
import { ConfigError, helpText, loadConfig, parseFlags, setting, type SettingsFor } from '@kiln/config';
import { decodePprof, textOf, type Pprof } from '@kiln/formats';
import { KilnError } from '@kiln/model';
import { flameGraph, treeOfPprof, type FlameGraph } from '@kiln/query';
import { flameTree, type FlameGraphJson } from '../flame/flame-tree.ts';
import { formatOfName, isPicture, pictureOf, unknownEnding } from '../flame/pictures.ts';
import { noPprof, readSource } from '../pprof-source.ts';
import { jsonText } from '../query/output.ts';
import { writeResult } from '../query/write-result.ts';
import type { Command, Terminal } from '../terminal.ts';

interface ConvertFlags {
  readonly type: string;
  readonly output: string;
}

const outputs = ['svg', 'collapsed', 'speedscope', 'pprof', 'json'];
const settings: SettingsFor<ConvertFlags> = {
  type: setting({
    key: 'type',
    yaml: null,
    type: 'string',
    default: '',
    meaning: 'Sample type of the file to convert, for example cpu; empty = the last, which Go tools show first',
  }),
  output: setting({
    key: 'output',
    yaml: null,
    type: 'string',
    default: '',
    choices: ['', ...outputs],
    meaning: 'What to write; empty follows the name of OUT',
  }),
};
const schema = { convert: settings };

/** `kiln convert`: a file in another format, with no server. */
export const convertCommand: Command = {
  name: 'convert',
  synopsis: 'IN.pb.gz OUT.svg|.txt|.speedscope.json|.json|.pb.gz|- [--type cpu]',
  summary: 'write a pprof file in another format; needs no server',
  help: () =>
    `OUT says by its ending what to write; - writes to the terminal and needs --output.\n\n${helpText(schema)}`,
  example: 'convert cpu.pb.gz cpu.svg',
  run: convert,
};

async function convert(argv: readonly string[], terminal: Terminal): Promise<number> {
  const flags = parseFlags(schema, argv);
  const { type, output } = loadConfig(schema, flags).convert;
  const [input, file, ...more] = flags.rest;
  if (input === undefined || file === undefined || more.length > 0)
    throw new ConfigError(`convert takes two files, IN and OUT: found ${flags.rest.length}`);
  const format = output === '' ? formatOfName(file) : output;
  if (format === undefined) throw unknownEnding(file);
  const { bytes } = await readSource(input);
  const pprof = decoded(input, bytes);
  const target = file === '-' ? '' : file;
  await writeResult(format === 'pprof' ? gzipSync(bytes) : converted(pprof, format, { input, type }), target, terminal);
  return 0;
}

function decoded(name: string, bytes: Uint8Array): Pprof {
  try {
    return decodePprof(bytes);
  } catch (error) {
    throw noPprof(name, bytes, error);
  }
}

function converted(pprof: Pprof, format: string, { input, type }: { input: string; type: string }): string {
  const types = pprof.sampleTypes.map((one) => textOf(pprof, one.type));
  const number = type === '' ? types.length - 1 : types.indexOf(type);
  if (number < 0) {
    const asked = type === '' ? 'any sample type' : `the sample type ${JSON.stringify(type)}`;
    throw new KilnError('invalid_argument', `${input} does not have ${asked}: it has ${types.join(', ') || 'none'}`);
  }
  const graph = messageOf(flameGraph(treeOfPprof(pprof, number), 0, { startMs: 0, endMs: 0 }));
  if (!isPicture(format)) return jsonText(graph);
  return pictureOf(format, flameTree(graph), `${input} · ${types[number]}`, {
    unit: textOf(pprof, pprof.sampleTypes[number]!.unit),
    scale: 1,
  });
}

/** As the server would answer it. */
function messageOf({ names, levels, total, maxSelf }: FlameGraph): FlameGraphJson & { readonly maxSelf: string } {
  const texts = levels.map((level: ArrayLike<number | bigint>) => ({ values: Array.from(level, String) }));
  return { names, levels: texts, total: String(total), maxSelf: String(maxSelf) };
}
