import axe, { type AxeResults } from 'axe-core';
import type { Browser, BrowserContext, Page } from 'playwright-core';
import { expect, type TestContext } from 'vitest';

export const THEMES = ['light', 'dark'] as const;
export type Theme = (typeof THEMES)[number];

/** How long a server may take that starts beside a browser. */
export const START_MS = 120_000;

export interface OpenOptions {
  readonly theme: Theme;
  readonly width?: number;
  readonly height?: number;
}

/** A page in a browser of its own memory. */
export interface OpenPage {
  readonly page: Page;
  readonly context: BrowserContext;
}

/** The pages that a test opens. */
export class Visits {
  readonly #opened: OpenPage[] = [];
  readonly #faults: string[] = [];

  async open(browser: Browser, url: string, options: OpenOptions): Promise<OpenPage> {
    const open = await openPage(browser, url, options, this.#faults);
    this.#opened.push(open);
    return open;
  }

  /**
   * Closes them all. Of a test that failed there is a picture where `KILN_SCREENSHOTS` names a folder.
   * @throws Error when in one of them has happened what never must: a script that threw, a violated policy, a request that left the origin.
   */
  async close({ id, result }: TestContext['task']): Promise<void> {
    for (const [i, { page, context }] of this.#opened.splice(0).entries()) {
      if (result?.state === 'fail') await picture(page, `failed-${id}-${i}`);
      await context.close();
    }
    const faults = this.#faults.splice(0);
    if (faults.length > 0) throw new Error(`a page did what none may: ${faults.join('; ')}`);
  }
}

/** The page's own clock is the machine's. */
async function openPage(
  browser: Browser,
  url: string,
  { theme, width = 1600, height = 1000 }: OpenOptions,
  faults: string[],
): Promise<OpenPage> {
  const context = await browser.newContext({
    colorScheme: theme,
    viewport: { width, height },
    locale: 'en-GB',
    timezoneId: 'UTC',
    reducedMotion: 'reduce',
    acceptDownloads: true,
  });
  context.setDefaultTimeout(15_000);
  const page = await context.newPage();
  const { origin } = new URL(url);
  page.on('pageerror', (error) => faults.push(`threw ${error.message}`));
  page.on('console', (message) => {
    if (message.text().includes('Content Security Policy')) faults.push(message.text());
  });
  page.on('request', (request) => {
    const asked = request.url();
    if (!asked.startsWith(`${origin}/`) && !/^(data|blob|about):/.test(asked)) faults.push(`asked ${asked}`);
  });
  await page.goto(url);
  return { page, context };
}

/** What axe finds serious or critical, as one line each. Colours in hover and focus are what they are at the moment. */
export async function seriousOf(page: Page): Promise<string[]> {
  await page.evaluate(axe.source);
  // As text: types of the document are not those of a test.
  const found = await page.evaluate<AxeResults>("axe.run(document, { resultTypes: ['violations'] })");
  return found.violations
    .filter(({ impact }) => impact === 'serious' || impact === 'critical')
    .map(({ id, help, nodes }) => {
      const where = nodes
        .slice(0, 5)
        .map(({ html, failureSummary }) => `${html.slice(0, 200)} ${failureSummary ?? ''}`);
      return `${id}: ${help}: ${where.join(' | ')}`;
    });
}

/** Writes a picture where `KILN_SCREENSHOTS` names a folder: for people to look at. */
export async function picture(page: Page, name: string): Promise<void> {
  const folder = process.env['KILN_SCREENSHOTS'];
  if (folder !== undefined) await page.screenshot({ path: `${folder}/${name}.png` });
}

const UNITS: Readonly<Record<string, number>> = {
  ns: 1,
  µs: 1e3,
  ms: 1e6,
  s: 1e9,
  min: 60e9,
  h: 3600e9,
  d: 86_400e9,
  KiB: 2 ** 10,
  MiB: 2 ** 20,
  GiB: 2 ** 30,
  bytes: 1,
};

/** Reads the first amount of a text, `12.3 s`, and how far from the truth rounding to its last digit may take it. Nanoseconds and bytes. @throws Error when there is none */
export function readAmount(text: string): { value: number; slack: number } {
  const found = /([\d,]+(?:\.(\d+))?)\s*(ns|µs|ms|s|min|h|d|KiB|MiB|GiB|bytes)?(?![\w%])/.exec(text);
  if (found === null) throw new Error(`no amount in ${JSON.stringify(text)}`);
  const [, digits, fraction = '', unit] = found;
  const scale = unit === undefined ? 1 : UNITS[unit]!;
  return { value: Number(digits!.replaceAll(',', '')) * scale, slack: 0.5001 * scale * 10 ** -fraction.length };
}

/** That a text says an amount, as exactly as it shows it. */
export function expectAmount(text: string | null, wanted: number, what: string): void {
  const { value, slack } = readAmount(text ?? '');
  expect(Math.abs(value - wanted), `${what}: ${JSON.stringify(text)} should be ${wanted}`).toBeLessThanOrEqual(slack);
}

/** That a text says a share, `43.4%`, as exactly as it shows it. @param wanted 0 to 1 */
export function expectShare(text: string | null, wanted: number, what: string): void {
  const found = /(\d+(?:\.(\d+))?)\s?%/.exec(text ?? '');
  expect(found, `${what}: a share in ${JSON.stringify(text)}`).not.toBeNull();
  const [, digits, fraction = ''] = found!;
  const slack = 0.5001 * 10 ** -fraction.length;
  expect(
    Math.abs(Number(digits) - wanted * 100),
    `${what}: ${JSON.stringify(text)} should be ${wanted}`,
  ).toBeLessThanOrEqual(slack);
}

/** The title of the flame graph, which says of how much it is. */
export async function heading(page: Page): Promise<string> {
  return (await page.getByRole('heading', { name: /^Flame graph of/ }).textContent())!;
}

/** That the flame graph is of so much: waits for it, since the last one is shown while the next is awaited. */
export async function shows(page: Page, total: number): Promise<void> {
  await page.getByRole('heading', { name: /^Flame graph of/ }).waitFor();
  await settled(page);
  expectAmount(await heading(page), total, 'the flame graph');
}

/** That no panel waits for an answer. */
export async function settled(page: Page): Promise<void> {
  await page.locator('section[aria-busy=true]').first().waitFor({ state: 'detached' });
}

/** The address of a selection. @param more parameters beside it */
export function explore(kind: string, selector: string, more = ''): string {
  return `/explore?${new URLSearchParams({ query: `${kind}${selector}` }).toString()}&${more}`;
}
