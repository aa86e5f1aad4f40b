import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { findChromium, startChromium } from '../support/chromium.ts';
import { fixedPort, type FixedPort } from '../support/fixed-port.ts';
import { kilnIsBuilt, kilnMain, startKiln, type RunningKiln } from '../support/kiln-process.ts';
import { long, requireService } from '../support/services.ts';
import { CPU, LONG_NAME, ODD_NAME, pushShop, Told } from './ui-data.ts';
import {
  expectAmount,
  picture,
  seriousOf,
  START_MS,
  THEMES,
  Visits,
  type OpenPage,
  explore,
  heading,
  shows,
} from './ui-page.ts';

const built = requireService('kiln', kilnIsBuilt(), `${kilnMain} is not built`);
const chromium = findChromium();
const hasBrowser = requireService('Chromium', chromium !== undefined, 'it is not installed: apt-get install chromium');
const basket = '{service_name="basket"}';

/** What goes wrong: the page stays usable, and says what happened. */
describe.skipIf(!built || !hasBrowser)('trouble on the page', () => {
  let dir = '';
  let kiln: RunningKiln;
  let browser: Browser;
  /** Where the page is; the server behind it comes and goes. */
  let port: FixedPort;
  let told: Told;
  let nowMs = 0;
  const visits = new Visits();
  const start = async (): Promise<void> => {
    kiln = await startKiln({ dataDir: join(dir, 'data'), timeoutMs: START_MS });
    port.lead(kiln.url);
  };
  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'kiln-ui-'));
    port = await fixedPort();
    [browser] = await Promise.all([startChromium(chromium!), start()]);
    told = new Told(kiln.url);
    nowMs = Date.now();
    await pushShop(told, nowMs);
  }, START_MS);
  afterEach(({ task }) => visits.close(task));
  afterAll(async () => {
    await browser.close();
    port.close();
    await kiln.stop();
    await rm(dir, { recursive: true, force: true });
  });

  const totalOf = (selector: string): number =>
    told.total({ profileTypeId: CPU, selector, startMs: nowMs - 3_600_000, endMs: nowMs + 60_000 });

  describe.each(THEMES)('in %s', (theme) => {
    const view = (path: string): Promise<OpenPage> => visits.open(browser, port.url + path, { theme });
    /** That the page is still of use: asked for something that is there, it shows it. */
    const works = async (page: Page): Promise<void> => {
      await page.getByRole('combobox', { name: 'Selector' }).fill(basket);
      await page.getByRole('combobox', { name: 'Selector' }).press('Enter');
      await shows(page, totalOf(basket));
    };
    const look = async (page: Page, what: string): Promise<void> => {
      await picture(page, `${theme}-trouble-${what}`);
      expect(await seriousOf(page)).toEqual([]);
    };

    test('a selector with a typo says where reading it stopped, in the field and in a shared address', async () => {
      const typo = '{service_name="basket",version~"1"}';
      const { page } = await view(explore(CPU, typo));
      const field = page.getByRole('combobox', { name: 'Selector' });
      const problem = async (): Promise<string> => {
        await expect.poll(() => field.getAttribute('aria-invalid')).toBe('true');
        return (await page.locator(`[id="${await field.getAttribute('aria-describedby')}"]`).textContent())!;
      };
      expect(await problem()).toMatch(/at character 31: found "~/);
      await page.getByRole('heading', { name: 'Nothing is shown' }).waitFor();
      await look(page, 'typo');
      await works(page);
      await field.fill('{service_name="basket');
      expect(await problem()).toContain('basket');
      // What is shown meanwhile is still what was asked before.
      await shows(page, totalOf(basket));
    });

    test('a range without data says so, and a kind that is gone is still named', async () => {
      const { page } = await view(explore(CPU, basket, 'from=1600000000000&until=1600003600000'));
      await page
        .getByText(/No profiles/)
        .first()
        .waitFor();
      await look(page, 'no-data');
      await page.goto(
        `${port.url}${explore(CPU, basket).replace('process_cpu%3Acpu%3Ananoseconds', 'gone%3Agone%3Acount')}`,
      );
      await page
        .getByText(/No profiles/)
        .first()
        .waitFor();
      const menu = page.getByRole('combobox', { name: 'Kind of profile' });
      await expect.poll(() => menu.locator('option:checked').textContent()).toContain('none here');
      await look(page, 'no-kind');
      await menu.selectOption(CPU);
      await shows(page, totalOf(basket));
    });

    test('a 500 is told in the words of the server, and asking again helps', async () => {
      const { page } = await view('/');
      const answer = {
        status: 500,
        contentType: 'application/json',
        body: '{"code":"internal","message":"the disk sang"}',
      };
      await page.route(/flamegraph|SelectSeries/, (route) => route.fulfill(answer));
      await page.goto(port.url + explore(CPU, basket));
      await expect.poll(() => page.getByText('the disk sang').count()).toBeGreaterThan(1);
      await look(page, '500');
      await page.unroute(/flamegraph|SelectSeries/);
      await page.getByRole('button', { name: 'Try again' }).first().click();
      await shows(page, totalOf(basket));
    });

    test('while an answer is awaited the page says for what', async () => {
      const { page } = await view('/');
      const gate = Promise.withResolvers<void>();
      await page.route(/flamegraph|SelectSeries/, async (route) => {
        await gate.promise;
        await route.continue();
      });
      await page.goto(port.url + explore(CPU, basket));
      await page.getByText('Loading the flame graph…').waitFor();
      await page.getByText('Loading the timeline…').waitFor();
      await look(page, 'loading');
      gate.resolve();
      await shows(page, totalOf(basket));
    });

    test.each([
      ['quotes, braces, newlines and emoji', ODD_NAME],
      ['2 KB', LONG_NAME],
    ])('a service whose name has %s is found, shown whole to a reader and asked for exactly', async (what, name) => {
      const { page } = await view('/');
      await page.getByRole('heading', { name: /^Services \(/ }).waitFor();
      await page.getByRole('searchbox', { name: 'Search services' }).fill(name.slice(0, 10));
      await page.getByRole('heading', { name: /^Services \(1 of/ }).waitFor();
      await page.locator('.service-name').click();
      await shows(page, totalOf(`{service_name=${JSON.stringify(name)}}`));
      // Nothing is wider than the window.
      const width = await page.evaluate<number>('document.documentElement.scrollWidth');
      expect(width).toBeLessThanOrEqual(1_600);
      await look(page, what.slice(0, 6));
    });

    test('a server that goes away and comes back: the page says so, keeps what it has, and goes on by itself', async () => {
      const { page } = await view(explore(CPU, basket));
      await shows(page, totalOf(basket));
      port.lead(undefined);
      await page.getByRole('button', { name: 'Refresh', exact: true }).click();
      const banner = page.getByRole('alert').filter({ hasText: 'does not answer' });
      await banner.waitFor();
      expectAmount(await heading(page), totalOf(basket), 'what came last');
      await look(page, 'away');
      await kiln.stop();
      await start();
      await banner.waitFor({ state: 'detached', timeout: 30_000 });
      await shows(page, totalOf(basket));
    });
  });

  test('an answer that lacks data is called partial, and what it does not hold is not said to be missing', async () => {
    const { page } = await visits.open(browser, `${port.url}/`, { theme: 'light' });
    await page.route(/flamegraph|SelectSeries|\/Series/, async (route) => {
      const response = await route.fetch();
      const headers = { ...response.headers(), 'x-kiln-partial': 'ab-0 (4, 9] undecodable' };
      await route.fulfill({ response, headers });
    });
    const none = 'from=1600000000000&until=1600003600000';
    for (const path of [explore(CPU, basket, none), explore('', basket, none)]) {
      await page.goto(port.url + path);
      await page.getByText('Partial answer').first().waitFor();
      await page.getByText('is not known').first().waitFor();
      expect(await page.getByText(/No profiles (of this kind|match)/).count()).toBe(0);
      expect(await page.getByText('ab-0 (4, 9] undecodable').count()).toBeGreaterThan(0);
    }
    await page.goto(port.url + explore(CPU, basket));
    await shows(page, totalOf(basket));
    expect(await page.getByText('Partial answer').count()).toBeGreaterThan(1);
    await picture(page, 'partial');
    expect(await seriousOf(page)).toEqual([]);
  });

  test('a graph of very many frames is shown, moved and searched', async () => {
    const { page } = await visits.open(browser, `${port.url}/`, { theme: 'light' });
    const frames = long ? 1_000_000 : 100_000;
    await page.route(/flamegraph/, (route) =>
      route.fulfill({ contentType: 'application/json', body: wideGraph(frames) }),
    );
    await page.goto(port.url + explore(CPU, basket));
    const graph = page.getByRole('application');
    await graph.waitFor({ timeout: 60_000 });
    expect(await graph.getAttribute('aria-label')).toContain((frames + 1).toLocaleString('en'));
    await graph.focus();
    await page.keyboard.press('ArrowDown');
    await page.keyboard.press('Enter');
    await expect.poll(() => page.locator('.flame-where').textContent()).toContain('f0');
    await page.getByRole('searchbox', { name: 'Search functions' }).fill('/^f7$/');
    await expect.poll(() => page.locator('.flame output').textContent()).toContain('matched');
    await picture(page, 'light-trouble-frames');
  }, 120_000);

  test('a page that refreshes by itself for four hours holds no more than it did', async () => {
    const { page, context } = await visits.open(browser, `${port.url}/`, { theme: 'light' });
    await page.clock.install({ time: Date.now() });
    await page.goto(port.url + explore(CPU, basket, 'from=now-12h&refresh=10s'));
    await shows(page, totalOf(basket));
    const devtools = await context.newCDPSession(page);
    const held = async (): Promise<number> => {
      await devtools.send('HeapProfiler.collectGarbage');
      return (await devtools.send('Runtime.getHeapUsage')).usedSize;
    };
    const refreshes = async (count: number): Promise<void> => {
      for (let i = 0; i < count; i++) {
        const answered = page.waitForResponse(/flamegraph/);
        await page.clock.runFor(10_000);
        await (await answered).finished();
      }
      await shows(page, totalOf(basket));
    };
    await refreshes(20);
    const before = await held();
    await refreshes(long ? 1_420 : 180);
    const grown = (await held()) - before;
    expect(grown, `${grown} bytes more of ${before}`).toBeLessThan(10 * 1024 * 1024);
  }, 1_200_000);
});

/** An answer of a root and so many frames below it, in rows of a thousand; each of one sample more than what is below. */
function wideGraph(frames: number): string {
  const perLevel = 1_000;
  const rows = frames / perLevel;
  const levels: number[][] = [[0, frames, 0, 0]];
  for (let row = 0; row < rows; row++)
    levels.push(Array.from({ length: perLevel }, (_, i) => [0, rows - row, 1, 1 + (i % 50)]).flat());
  // A frame ends where its neighbour begins, whatever is below.
  for (const level of levels.slice(2)) for (let i = 4; i < level.length; i += 4) level[i] = levels.indexOf(level) - 1;
  return JSON.stringify({
    profileType: CPU,
    selector: basket,
    aggregation: 'sum',
    unit: 'nanoseconds',
    total: frames,
    text: `${frames} ns`,
    functionCount: 0,
    functions: [],
    flamegraph: { names: ['total', ...Array.from({ length: 50 }, (_, i) => `f${i}`)], levels },
  });
}
