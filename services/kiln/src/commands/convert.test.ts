import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { buildPprof } from '../../../../test/support/profile-builder.ts';
import { run } from '../test-terminal.test-support.ts';

const pprof = buildPprof({
  types: [
    ['samples', 'count'],
    ['cpu', 'nanoseconds'],
  ],
  samples: [
    { frames: [{ name: 'leaf' }, { name: 'main' }], values: [1n, 10n] },
    { frames: [{ name: 'main' }], values: [2n, 5n] },
  ],
});

let folder = '';
const at = (name: string): string => join(folder, name);
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'kiln-convert-'));
  await writeFile(at('cpu.pb.gz'), gzipSync(pprof));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

async function converted(out: string, ...flags: string[]): Promise<string> {
  expect(await run('convert', at('cpu.pb.gz'), at(out), ...flags)).toMatchObject({
    code: 0,
    err: `wrote ${at(out)}\n`,
  });
  return readFile(at(out), 'utf8');
}

test('a pprof becomes collapsed text, speedscope, SVG and JSON, with no server', async () => {
  expect(await converted('cpu.txt')).toBe('main 5\nmain;leaf 10\n');
  expect(await converted('count.txt', '--type', 'samples')).toBe('main 2\nmain;leaf 1\n');
  expect(JSON.parse(await converted('cpu.speedscope.json'))).toMatchObject({
    $schema: 'https://www.speedscope.app/file-format-schema.json',
    shared: { frames: [{ name: 'main' }, { name: 'leaf' }] },
    profiles: [
      { type: 'sampled', unit: 'nanoseconds', startValue: 0, endValue: 15, samples: [[0], [0, 1]], weights: [5, 10] },
    ],
  });
  expect(await converted('cpu.svg')).toMatch(/^<\?xml[^]*<title>leaf: 66\.67%/);
  expect(JSON.parse(await converted('cpu.json'))).toMatchObject({ names: ['total', 'main', 'leaf'], total: '15' });
  await converted('copy.pb.gz');
  expect(new Uint8Array(gunzipSync(await readFile(at('copy.pb.gz'))))).toEqual(new Uint8Array(pprof));
  expect((await run('convert', at('cpu.pb.gz'), '-', '--output', 'collapsed')).out).toBe('main 5\nmain;leaf 10\n');
});

test.each([
  [['cpu.pb.gz'], 2, /takes two files/],
  [['cpu.pb.gz', 'cpu.doc'], 1, /no ending that says/],
  [['cpu.pb.gz', 'x.svg', '--type', 'heap'], 1, /does not have the sample type "heap": it has samples, cpu/],
  [['none.pb.gz', 'x.svg'], 1, /none\.pb\.gz/],
  [['cpu.pb.gz', 'x.svg', '--output', 'jfr'], 2, /must be/],
])('%j ends with %d and a sentence', async (words, code, why) => {
  const argv = words.map((word) => (/^[a-z]+\./.test(word) ? at(word) : word));
  expect(await run('convert', ...argv)).toMatchObject({ code, err: expect.stringMatching(why) as string });
});
