import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium, type Browser, type Page } from 'playwright-core';
import { median, row, type Row } from './measure.ts';

const root = join(import.meta.dirname, '../..');
/** Nobody's address: the bench answers every request itself. */
const ORIGIN = 'http://bench.invalid';
/** Events of a trace that are script. */
const SCRIPT = new Set(['FireAnimationFrame', 'EventDispatch', 'FunctionCall', 'EvaluateScript']);

/** What services/ui/src/flame/flame.bench.tsx tells of a step, in milliseconds. */
interface Took {
  readonly script: number;
  readonly picture: number;
}

/** An event of a trace, times in microseconds. */
interface TraceEvent {
  readonly name: string;
  readonly ph: string;
  readonly ts: number;
  readonly dur?: number;
}

/** Where Debian puts it. */
export const BROWSER = '/usr/bin/chromium';

/** How long and with how much it is measured. */
interface UiEffort {
  readonly rounds: number;
  /** Frames of the graphs. */
  readonly sizes: readonly number[];
  readonly panMs: number;
}

/** As the issue asks. */
export const fullUi: Omit<UiEffort, 'rounds'> = { sizes: [1_000, 10_000, 100_000, 1_000_000], panMs: 2_000 };

/**
 * What the flame graph takes in a browser: the first picture, a zoom, a search, the inverted tree, and script per frame while somebody drags it, as
 * Chromium's own trace counts it.
 * @throws Error when there is no Chromium.
 */
export async function uiRows({ rounds, sizes, panMs }: UiEffort): Promise<Row[]> {
  if (!existsSync(BROWSER)) throw new Error(`no browser: ${BROWSER} is missing (apt-get install chromium)`);
  const folder = mkdtempSync(join(tmpdir(), 'kiln-bench-ui-'));
  const browser = await chromium.launch({ executablePath: BROWSER, args: ['--no-sandbox', '--disable-gpu'] });
  try {
    const vite = join(root, 'node_modules/vite/bin/vite.js');
    const config = join(root, 'services/ui/vite.bench.config.ts');
    execFileSync(process.execPath, [vite, 'build', '--config', config, '--outDir', folder, '--logLevel', 'error']);
    const page = await openPage(browser, folder);
    const rows: Row[] = [];
    for (const frames of sizes) rows.push(...(await sizeRows(browser, page, frames, { rounds, panMs })));
    return rows;
  } finally {
    await browser.close();
    rmSync(folder, { recursive: true });
  }
}

async function openPage(browser: Browser, folder: string): Promise<Page> {
  const page = await browser.newPage({ viewport: { width: 1400, height: 900 } });
  await page.route('**/*', (route) => route.fulfill({ path: join(folder, new URL(route.request().url()).pathname) }));
  await page.goto(`${ORIGIN}/bench.html`);
  return page;
}

async function sizeRows(
  browser: Browser,
  page: Page,
  frames: number,
  { rounds, panMs }: Pick<UiEffort, 'rounds' | 'panMs'>,
): Promise<Row[]> {
  const first: number[] = [];
  const zoom: number[] = [];
  const pan: number[] = [];
  const search: number[] = [];
  const invert: number[] = [];
  for (let round = 0; round <= rounds; round++) {
    const shown = await page.evaluate<Took>(`showFrames(${frames})`);
    const zoomed = await page.evaluate<Took>('zoomIn()');
    const script = await scriptPerFrame(browser, page, panMs);
    const searched = await page.evaluate<Took>("searchFor('/part1.*Step2/')");
    const inverted = await page.evaluate<Took>('invert()');
    // The first round compiles.
    if (round === 0) continue;
    first.push(shown.picture);
    zoom.push(zoomed.script);
    pan.push(median(script));
    search.push(searched.script);
    invert.push(inverted.script);
  }
  const of = `flame graph of ${frames.toLocaleString('en')} frames`;
  return [
    row(`${of}: first picture`, first, 'ms'),
    row('  zoom: script before the first step', zoom, 'ms'),
    row('  search by a regular expression: script', search, 'ms'),
    row('  inverted: script', invert, 'ms'),
    row('  script per frame of a pan', pan, 'ms', frames === 100_000 ? 8 : undefined, `median of ${panMs / 1_000} s`),
  ];
}

/** Milliseconds of script in each frame of a drag from side to side. */
async function scriptPerFrame(browser: Browser, page: Page, panMs: number): Promise<number[]> {
  const box = (await page.locator('canvas').boundingBox())!;
  const middle = box.x + box.width / 2;
  const y = box.y + box.height / 2;
  await page.mouse.move(middle, y);
  await browser.startTracing(page, { categories: ['devtools.timeline'] });
  await page.mouse.down();
  const until = performance.now() + panMs;
  // A move is answered when the page has handled it, which is once a frame.
  for (let at = 0; performance.now() < until; at++)
    await page.mouse.move(middle + Math.sin(at / 12) * box.width * 0.4, y + Math.sin(at / 30) * 60);
  await page.mouse.up();
  const trace = JSON.parse((await browser.stopTracing()).toString()) as { traceEvents: TraceEvent[] };
  return perFrame(trace.traceEvents);
}

/** Sums what ran as script, nested events once, from one frame to the next; frames that nothing ran in are none of the pan. */
function perFrame(events: readonly TraceEvent[]): number[] {
  const frames: number[] = [];
  let sum = 0;
  let end = 0;
  for (const { name, ph, ts, dur = 0 } of events.toSorted((a, b) => a.ts - b.ts)) {
    if (name === 'AnimationFrame' && ph === 'b') {
      if (sum > 0) frames.push(sum);
      sum = 0;
    } else if (ph === 'X' && SCRIPT.has(name) && ts >= end) {
      sum += dur / 1_000;
      end = ts + dur;
    }
  }
  if (frames.length === 0) throw new Error('no frame in the trace of a pan: it did not run');
  return frames;
}
