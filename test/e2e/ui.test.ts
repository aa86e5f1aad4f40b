import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Browser, Locator, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { readPprof, unzipped, type OracleQuery } from '../oracle/index.ts';
import { findChromium, startChromium } from '../support/chromium.ts';
import { connectPush } from '../support/http-client.ts';
import { kilnIsBuilt, kilnMain, startKiln, type RunningKiln } from '../support/kiln-process.ts';
import { requireService } from '../support/services.ts';
import { appOf, currentPrograms, hasTool, runProgram } from './programs.ts';
import { recordingProxy } from './recording-proxy.ts';
import { CPU, FIXED_AT, IN_USE, MINUTE, pushShop, SLOW, Told } from './ui-data.ts';
import {
  expectAmount,
  expectShare,
  seriousOf,
  picture,
  START_MS,
  THEMES,
  Visits,
  type OpenPage,
  type Theme,
  explore,
  heading,
  shows,
  settled,
} from './ui-page.ts';

const built = requireService('kiln', kilnIsBuilt(), `${kilnMain} is not built`);
const chromium = findChromium();
const hasBrowser = requireService('Chromium', chromium !== undefined, 'it is not installed: apt-get install chromium');
const programs = currentPrograms.filter(({ name, tool }) => ['python', 'node'].includes(name) && hasTool(tool));

/** Long enough for the last upload of ten seconds; an SDK that is not there yet is installed first. */
const PROGRAM_SECONDS = 12;
const INSTALL_AND_RUN_MS = 300_000;
const ROW_HEIGHT = 20;

/** What has the focus, and whether anything shows that it has. */
const FOCUSED = `(() => {
  const element = document.activeElement;
  const { outlineStyle, outlineWidth, boxShadow } = getComputedStyle(element);
  const isSeen = (outlineStyle !== 'none' && parseFloat(outlineWidth) > 0) || boxShadow !== 'none';
  return { element: element === document.body ? 'body' : element.outerHTML.slice(0, 120), isSeen };
})()`;

/** tasks.md, one tenant. */
describe.skipIf(!built || !hasBrowser)('the page of a server with one tenant', () => {
  let dir = '';
  let kiln: RunningKiln;
  let empty: RunningKiln;
  let browser: Browser;
  const visits = new Visits();
  let told: Told;
  let nowMs = 0;
  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'kiln-ui-'));
    const start = (name: string): Promise<RunningKiln> =>
      startKiln({ dataDir: join(dir, name), flags: ['--server.path-prefix=/kiln/below'], timeoutMs: START_MS });
    [kiln, empty, browser] = await Promise.all([start('data'), start('empty'), startChromium(chromium!)]);
    told = new Told(kiln.url);
    nowMs = Date.now();
    await pushShop(told, nowMs);
    const proxy = await recordingProxy(kiln.url);
    await Promise.all(programs.map((program) => runProgram(program, proxy.url, PROGRAM_SECONDS)));
    told.read(proxy.requests);
    proxy.close();
  }, INSTALL_AND_RUN_MS);
  afterEach(({ task }) => visits.close(task));
  afterAll(async () => {
    await browser.close();
    await Promise.all([kiln.stop(), empty.stop()]);
    await rm(dir, { recursive: true, force: true });
  });

  /** All that was pushed of a kind and selector. */
  const all = (profileTypeId: string, selector: string): OracleQuery => ({
    profileTypeId,
    selector,
    startMs: nowMs - 3_600_000,
    endMs: nowMs + 3_600_000,
  });
  const basket = '{service_name="basket"}';

  test.each([900, 420])('in a window %i pixels wide nothing lies outside of it', async (width) => {
    for (const path of ['/', explore(CPU, basket), compare('1.0', '1.1')]) {
      const { page } = await visits.open(browser, kiln.url + path, { theme: 'light', width });
      await page.waitForLoadState('networkidle');
      await settled(page);
      expect([path, await page.evaluate<number>('document.documentElement.scrollWidth')]).toEqual([path, width]);
    }
  });

  test('whoever looks at functions on a phone reads their names, and every column of the table', async () => {
    for (const path of [explore(CPU, basket), compare('1.0', '1.1')]) {
      const { page } = await visits.open(browser, kiln.url + path, { theme: 'light', width: 420 });
      await page.waitForLoadState('networkidle');
      await settled(page);
      const { inner, outer, names } = await page.evaluate<{ inner: number; outer: number; names: number }>(`(() => {
        const box = document.querySelector('.flame-table');
        const names = box.querySelector('th').clientWidth;
        return { inner: box.scrollWidth, outer: box.clientWidth, names };
      })()`);
      expect([path, inner]).toEqual([path, outer]);
      expect(names).toBeGreaterThan(120);
    }
  });

  describe.each(THEMES)('in %s', (theme) => {
    const view = (path: string): Promise<OpenPage> => visits.open(browser, kiln.url + path, { theme });

    test.each([
      ['services', '/'],
      ['explore', explore(CPU, basket)],
      ['compare', compare('1.0', '1.1')],
    ])('whoever goes through %s by the Tab key sees where she is, and gets out again', async (_, path) => {
      const { page } = await view(path);
      await page.waitForLoadState('networkidle');
      const stops: string[] = [];
      for (let i = 0; i < 200; i++) {
        await page.keyboard.press('Tab');
        const { element, isSeen } = await page.evaluate<{ element: string; isSeen: boolean }>(FOCUSED);
        if (element === 'body') break;
        expect([element, isSeen]).toEqual([element, true]);
        stops.push(element);
      }
      expect(stops.length).toBeGreaterThan(8);
      expect(stops.length).toBeLessThan(200);
    });

    test('1: who has nothing yet sees what to paste, and why a push was refused', async () => {
      const { page } = await visits.open(browser, `${empty.url}/`, { theme });
      const bad = [{ labels: [['service_name', 'first-try']] as const, samples: [{ profile: Uint8Array.of(255) }] }];
      const before = await rejectionsOf(empty.url);
      for (let i = 0; i < 3; i++) expect((await connectPush(empty.url, bad)).status).toBe(400);
      await page.getByRole('heading', { name: 'No profiles yet' }).waitFor();
      await page.getByRole('button', { name: 'Refresh', exact: true }).click();
      for (const tab of ['Python', 'Go', 'Node', 'Rust', '.NET', 'Ruby', 'Alloy', 'A file']) {
        await page.getByRole('tab', { name: tab, exact: true }).click();
        expect(await page.getByRole('tabpanel').textContent()).toContain(empty.url);
      }
      const row = page.getByRole('row').filter({ hasText: 'first-try' });
      await expect.poll(() => row.getByRole('cell').nth(1).textContent()).toBe(String(before + 3));
      expect(await row.textContent()).toContain('malformed_profile');
      await picture(page, `${theme}-empty`);
      expect(await seriousOf(page)).toEqual([]);
    });

    test('2: who looks for an application finds it by a part of its name', async () => {
      const { page } = await view('/');
      const services = told.oracle.labelValues('anonymous', all(CPU, '{}'), 'service_name');
      await page.getByRole('heading', { name: `Services (${services.length})` }).waitFor();
      await picture(page, `${theme}-services`);
      expect(await seriousOf(page)).toEqual([]);
      await page.getByRole('searchbox', { name: 'Search services' }).fill('BASK');
      await page.getByRole('heading', { name: `Services (1 of ${services.length})` }).waitFor();
      const row = page.getByRole('row').filter({ hasText: 'basket' });
      await expect.poll(() => row.getByRole('cell').nth(1).textContent()).not.toBe('');
      expectAmount(await row.getByRole('cell').nth(1).textContent(), told.total(all(CPU, basket)), 'CPU of basket');
    });

    for (const program of programs) {
      const app = appOf(program);
      const [kind] = program.kinds as [string];
      test(`3: who runs ${program.name} goes from its service to its hot loop`, async () => {
        const { page } = await view('/');
        const query = all(kind, `{service_name="${app}"}`);
        await page.getByRole('link', { name: app, exact: true }).click();
        await page.getByRole('heading', { name: /^Flame graph of/ }).waitFor();
        if (program.kinds.length > 1) await page.getByRole('combobox', { name: 'Kind of profile' }).selectOption(kind);
        await shows(page, told.total(query));
        const functions = told.functions(query);
        const hot = functions.find(({ name }) => name.includes(program.hot))!;
        const share = hot.total / told.total(query);
        await page.getByRole('searchbox', { name: 'Search functions' }).fill(hot.name);
        expectShare(await matched(page), share, hot.name);
        await costs(page, hot.name, hot, told.total(query));
        await picture(page, `${theme}-${program.name}`);
      });
    }

    test('4: who narrows by labels is offered names and values, and all four operators hold', async () => {
      const { page } = await view(explore(CPU, basket));
      await shows(page, told.total(all(CPU, basket)));
      const field = page.getByRole('combobox', { name: 'Selector' });
      await field.fill('{service_name="basket",inst');
      await page.getByRole('option', { name: 'instance', exact: true }).click();
      await page.getByRole('option', { name: '=', exact: true }).click();
      await field.pressSequentially('"lo');
      await page.getByRole('option', { name: 'low:8081', exact: true }).click();
      await shows(page, told.total(all(CPU, '{service_name="basket",instance="low:8081"}')));
      for (const matcher of ['instance!="low:8081"', 'version=~"1\\\\.[1-9]"', 'instance!~"h.*"']) {
        const selector = `{service_name="basket",${matcher}}`;
        await field.fill(selector);
        await field.press('Enter');
        await shows(page, told.total(all(CPU, selector)));
      }
    });

    test('5: who searches by text or expression reads which share matches, a recursion counted once', async () => {
      const { page } = await view(explore(CPU, basket));
      const query = all(CPU, basket);
      await shows(page, told.total(query));
      const field = page.getByRole('searchbox', { name: 'Search functions' });
      for (const [text, name] of [
        ['QUICKSORT', 'quicksort'],
        ['/^get_.*of$/', 'get_biggest_five_of'],
      ] as const) {
        await field.fill(text);
        const { total } = costOf(told, query, name);
        await expect.poll(() => matched(page)).toContain('matched');
        expectShare(await matched(page), total / told.total(query), text);
        expect(await tableOf(page).getByRole('button', { name, exact: true }).count()).toBe(1);
      }
      await field.fill('/(/');
      await expect.poll(() => matched(page)).toMatch(/expression|\(/i);
      await picture(page, `${theme}-search-invalid`);
    });

    test('6: who sorts the table sees what costs most, itself or in all', async () => {
      const { page } = await view(explore(CPU, basket));
      const query = all(CPU, basket);
      await shows(page, told.total(query));
      const functions = told.functions(query);
      const whole = told.total(query);
      for (const [column, key] of [
        ['Self', 'self'],
        ['Total', 'total'],
      ] as const) {
        const wanted = functions.toSorted((a, b) => b[key] - a[key] || (a.name < b.name ? -1 : 1)).slice(0, 5);
        if (column === 'Total') await tableOf(page).getByRole('button', { name: column }).click();
        const names = tableOf(page).getByRole('row').locator('.flame-name');
        await expect
          .poll(async () => (await names.allTextContents()).slice(0, 5))
          .toEqual(wanted.map(({ name }) => name));
        for (const { name, self, total } of wanted) await costs(page, name, { self, total }, whole);
      }
    });

    test('7: who clicks into a recursion sees what is below, and goes back with the browser', async () => {
      const { page } = await view(explore(CPU, basket));
      const query = all(CPU, basket);
      await shows(page, told.total(query));
      const path = ['main', 'handle', 'quicksort', 'quicksort'];
      const place = told.place(query, path);
      await clickFrame(page, place);
      await expect.poll(() => where(page)).toContain('quicksort');
      expectAmount((await where(page)).replace('quicksort', ''), place.total, 'the frame');
      expectShare(await where(page), place.total / told.total(query), 'the frame');
      await page.goBack();
      await expect.poll(() => where(page)).not.toContain('quicksort');
      expectAmount(await where(page), told.total(query), 'all');
    });

    test('8: who points at a block learns its share, its kind and its unit', async () => {
      const { page } = await view(explore(CPU, basket));
      const query = all(CPU, basket);
      await shows(page, told.total(query));
      const place = told.place(query, ['main', 'handle', 'render']);
      const box = (await page.getByRole('application').boundingBox())!;
      await page.mouse.move(box.x + place.middle * box.width, box.y + (place.row + 0.5) * ROW_HEIGHT);
      const tip = page.locator('.flame-tooltip');
      await expect.poll(() => tip.textContent()).toContain('render');
      const fact = (name: string): Promise<string | null> =>
        tip.locator('div').filter({ hasText: name }).locator('dd').first().textContent();
      expectAmount(await fact('total'), place.total, 'total');
      expectAmount(await fact('self'), place.self, 'self');
      expectShare(await fact('of all'), place.total / told.total(query), 'share');
      expect(await tip.textContent()).toContain('nanoseconds');
      await picture(page, `${theme}-tooltip`);
      // The same is told to who points at nothing: by the keys, and in words.
      await page.getByRole('application').focus();
      await page.keyboard.press('ArrowDown');
      await page.keyboard.press('ArrowDown');
      const main = told.place(query, ['main', 'handle']);
      await expect.poll(() => spoken(page)).toContain('handle: ');
      expectAmount((await spoken(page)).replace('handle: ', ''), main.total, 'spoken');
    });

    test('9: who looks at memory sees an average that says so, and the sum when asked', async () => {
      const { page } = await view(explore(CPU, basket));
      await shows(page, told.total(all(CPU, basket)));
      await page.getByRole('combobox', { name: 'Kind of profile' }).selectOption(IN_USE);
      await expect.poll(() => heading(page)).toContain('on average, all series added up');
      expectAmount(await heading(page), averageOf(told, IN_USE, 'basket'), 'on average');
      await page.getByRole('heading', { name: 'Memory in use per series, mean of each 30 s' }).waitFor();
      await picture(page, `${theme}-memory`);
      await page.getByRole('combobox', { name: 'Aggregation' }).selectOption('sum');
      await expect.poll(() => heading(page)).not.toContain('on average');
      await shows(page, told.total(all(IN_USE, basket)));
    });

    test('10: who groups by instance compares two machines in one timeline', async () => {
      const { page } = await view(explore(CPU, basket));
      await shows(page, told.total(all(CPU, basket)));
      await page.getByRole('combobox', { name: 'Group by' }).selectOption('instance');
      for (const instance of ['low:8081', 'high:8081']) {
        const line = page.getByRole('button', { name: instance });
        await line.waitFor();
        const wanted = told.total(all(CPU, `{service_name="basket",instance="${instance}"}`));
        expectAmount((await line.textContent())!.replace(instance, ''), wanted, instance);
      }
      await picture(page, `${theme}-groups`);
      await page.getByRole('button', { name: 'low:8081' }).click();
      await shows(page, told.total(all(CPU, '{service_name="basket",instance="low:8081"}')));
    });

    test('11: who drags over the slow part looks only at that', async () => {
      const { page } = await view(explore(CPU, basket, 'from=now-1h'));
      await shows(page, told.total(all(CPU, basket)));
      const plot = page.locator('.timeline-chart .u-over');
      const box = (await plot.boundingBox())!;
      const minute = Math.floor(nowMs / MINUTE) * MINUTE;
      const end = Date.now();
      const x = (ago: number): number => box.x + box.width * (1 - (end - (minute - ago * MINUTE)) / 3_600_000);
      await page.mouse.move(x(SLOW[0] + 0.5), box.y + 40);
      await page.mouse.down();
      await page.mouse.move(x(SLOW[0] - 1), box.y + 50, { steps: 4 });
      await page.mouse.move(x(SLOW[1] + 0.5), box.y + 50, { steps: 4 });
      await page.mouse.up();
      await expect.poll(() => new URL(page.url()).searchParams.get('until')).toMatch(/^\d{13}$/);
      const { searchParams } = new URL(page.url());
      const [startMs, endMs] = [Number(searchParams.get('from')), Number(searchParams.get('until'))];
      expect(Math.abs(startMs - (minute - SLOW[0] * MINUTE))).toBeLessThan(2 * MINUTE);
      expect(Math.abs(endMs - (minute - SLOW[1] * MINUTE))).toBeLessThan(2 * MINUTE);
      const query = { ...all(CPU, basket), startMs, endMs };
      await shows(page, told.total(query));
      const waits = costOf(told, query, 'lock_wait');
      expect(waits.total / told.total(query)).toBeGreaterThan(0.4);
      await costs(page, 'lock_wait', waits, told.total(query));
      await picture(page, `${theme}-zoomed`);
    });

    test('12: who picks the time after the fix by its dates finds the old function gone', async () => {
      const { page } = await view(explore(CPU, basket));
      await shows(page, told.total(all(CPU, basket)));
      const minute = Math.floor(nowMs / MINUTE) * MINUTE;
      const query = { ...all(CPU, basket), startMs: minute - FIXED_AT * MINUTE, endMs: minute - 2 * MINUTE };
      const text = (ms: number): string => new Date(ms).toISOString().slice(0, 16).replace('T', ' ');
      await page.getByRole('button', { name: /^Time range/ }).click();
      await page.getByRole('textbox', { name: 'From' }).fill(text(query.startMs));
      await page.getByRole('textbox', { name: 'Until' }).fill(text(query.endMs));
      await picture(page, `${theme}-times`);
      expect(await seriousOf(page)).toEqual([]);
      await page.getByRole('button', { name: 'Apply' }).click();
      await shows(page, told.total(query));
      await costs(page, 'heapq.nlargest', costOf(told, query, 'heapq.nlargest'), told.total(query));
      await page.getByRole('searchbox', { name: 'Search functions' }).fill('/^max$/');
      await expect.poll(() => matched(page)).toBe('0% matched');
    });

    test('13: who turns the graph upside down sees the widest leaf first', async () => {
      const { page } = await view(explore(CPU, basket));
      const query = all(CPU, basket);
      await shows(page, told.total(query));
      const [leaf] = told.functions(query);
      await page.getByRole('button', { name: 'Inverted' }).click();
      await page.getByRole('application').focus();
      await page.keyboard.press('ArrowDown');
      await expect.poll(() => spoken(page)).toContain(`${leaf!.name}: `);
      expectAmount((await spoken(page)).replace(leaf!.name, ''), leaf!.self, 'the widest leaf');
      await picture(page, `${theme}-inverted`);
    });

    test('14: who looks at a function from both sides sees its callers and its callees', async () => {
      const { page } = await view(explore(CPU, basket));
      const query = all(CPU, basket);
      await shows(page, told.total(query));
      await tableOf(page).getByRole('button', { name: 'Callers and callees of quicksort' }).click();
      const callees = page.getByRole('heading', { name: /^Callees/ });
      const { total } = costOf(told, query, 'quicksort');
      expectAmount((await callees.textContent())!.replace(/^.*frames · /, ''), total, 'in all');
      expectShare(await callees.textContent(), total / told.total(query), 'share of everything');
      const callers = page.getByRole('application', { name: /^Callers of quicksort/ });
      await callers.focus();
      await page.keyboard.press('ArrowUp');
      await expect.poll(() => spoken(page)).toContain('handle: ');
      expectAmount((await spoken(page)).replace('handle: ', ''), total, 'the caller');
      await picture(page, `${theme}-sandwich`);
      expect(await seriousOf(page)).toEqual([]);
    });

    test('15: who shares the address shares exactly what is seen', async () => {
      const { page, context } = await view(explore(CPU, basket));
      const query = all(CPU, basket);
      await shows(page, told.total(query));
      await page.getByRole('searchbox', { name: 'Search functions' }).fill('partition');
      await clickFrame(page, told.place(query, ['main', 'handle', 'quicksort']));
      await expect.poll(() => where(page)).toContain('quicksort');
      await context.grantPermissions(['clipboard-read', 'clipboard-write']);
      await page.getByRole('button', { name: 'Share' }).click();
      await page.getByText('Copied').waitFor();
      const link = await page.evaluate<string>('navigator.clipboard.readText()');
      const other: Theme = theme === 'light' ? 'dark' : 'light';
      const colleague = await visits.open(browser, link, { theme: other });
      await shows(colleague.page, told.total(query));
      for (const look of [heading, where, matched]) expect(await look(colleague.page)).toBe(await look(page));
    });

    test('16: who takes the profile away has every sample in the file', async () => {
      const { page, context } = await view(explore(CPU, basket));
      const query = all(CPU, basket);
      await shows(page, told.total(query));
      const file = await downloaded(page, 'pprof (.pb.gz)');
      const { sample } = readPprof(unzipped(file));
      expect(Number(sample.reduce((sum, { value }) => sum + value[0]!, 0n))).toBe(told.total(query));
      const collapsed = Buffer.from(await downloaded(page, 'Collapsed stacks (.txt)')).toString();
      const lines = collapsed.trimEnd().split('\n');
      expect(lines.reduce((sum, line) => sum + Number(/ (\d+)$/.exec(line)![1]), 0)).toBe(told.total(query));
      expect(lines).toContain(`main;handle;render ${told.place(query, ['main', 'handle', 'render']).self}`);
      // The drawing opens by itself.
      const svg = join(dir, `${theme}.svg`);
      await writeFile(svg, await downloaded(page, 'Picture (.svg)'));
      const drawing = await context.newPage();
      await drawing.goto(`file://${svg}`);
      const drawn = (await drawing.locator('svg').first().textContent())!;
      expectAmount(/[\d.]+ s/.exec(drawn)![0], told.total(query), 'the drawing');
      for (const name of ['quicksort', 'get_biggest_five_of']) expect(drawn).toContain(name);
    });

    test('17: who compares two versions sees what grew, and what is new', async () => {
      const { page } = await view(compare('1.0', '1.1'));
      const [left, right] = ['1.0', '1.1'].map((version) => all(CPU, versionOf(version))) as [OracleQuery, OracleQuery];
      const shares = (name: string): [number, number] => [
        costOf(told, left, name).self / told.total(left),
        costOf(told, right, name).self / told.total(right),
      ];
      const table = tableOf(page);
      const row = (name: string): Locator =>
        table.getByRole('row').filter({ has: page.getByRole('button', { name, exact: true }) });
      const reads = async (name: string, [before, after]: [number, number], word: string): Promise<void> => {
        const cells = row(name).getByRole('cell');
        await cells.first().waitFor();
        for (const [i, share] of [before, after].entries()) {
          if (share === 0) expect(await cells.nth(1 + i).textContent()).toBe('–');
          else expectShare(await cells.nth(1 + i).textContent(), share, name);
        }
        const change = (await cells.nth(3).textContent())!;
        expect(change).toContain(word);
        expect(Math.abs(Number(/[\d.]+$/.exec(change)![0]) - Math.abs(after - before) * 100)).toBeLessThan(0.0051);
      };
      await reads('heapq.nlargest', shares('heapq.nlargest'), 'new');
      await reads('max', shares('max'), 'removed');
      await reads('render', shares('render'), '');
      await picture(page, `${theme}-compare`);
      expect(await seriousOf(page)).toEqual([]);
      // The picture says the same of a frame: left, right.
      await page.getByRole('application').focus();
      await page.keyboard.press('ArrowDown');
      await expect.poll(() => spoken(page)).toContain('main: ');
      const [before, now] = (await spoken(page)).replace('main: ', '').split(', right ');
      expectAmount(before!, told.total(left), 'before');
      expectAmount(now!, told.total(right), 'now');
      await page.getByRole('button', { name: 'Swap' }).click();
      await settled(page);
      await reads('max', [shares('max')[1], shares('max')[0]], 'new');
      await page.getByRole('combobox', { name: 'Comparison' }).selectOption('sides');
      await settled(page);
      const titled = (name: string): Promise<string | null> =>
        page.getByRole('heading', { name: new RegExp(`^${name}: `) }).textContent();
      expectAmount((await titled('Left'))!, told.total(right), 'left');
      expectAmount((await titled('Right'))!, told.total(left), 'right');
      await picture(page, `${theme}-sides`);
      // The hour before with this one: the same selection, one length earlier.
      const half = { startMs: nowMs - 30 * MINUTE, endMs: nowMs };
      const times = { from: String(half.startMs), until: String(half.endMs) };
      const query = {
        leftQuery: CPU + basket,
        rightQuery: CPU + basket,
        rightFrom: times.from,
        rightUntil: times.until,
      };
      await page.goto(`${kiln.url}/compare?${new URLSearchParams({ ...query, comparison: 'sides' }).toString()}`);
      await page.getByRole('button', { name: 'Compare with the time before' }).click();
      const before30 = { startMs: half.startMs - 30 * MINUTE - 1, endMs: half.startMs - 1 };
      await expect.poll(() => new URL(page.url()).searchParams.get('leftFrom')).toBe(String(before30.startMs));
      await settled(page);
      expectAmount(await titled('Left'), told.total({ ...all(CPU, basket), ...before30 }), 'before');
      expectAmount(await titled('Right'), told.total({ ...all(CPU, basket), ...half }), 'after');
    });
  });
});

function versionOf(version: string): string {
  return `{service_name="basket",version="${version}"}`;
}

function compare(left: string, right: string): string {
  const query = { leftQuery: `${CPU}${versionOf(left)}`, rightQuery: `${CPU}${versionOf(right)}` };
  return `/compare?${new URLSearchParams(query).toString()}`;
}

async function rejectionsOf(url: string): Promise<number> {
  const answer = (await (await fetch(`${url}/api/v1/rejections`)).json()) as { rejections: { times: number }[] };
  return answer.rejections.reduce((sum, { times }) => sum + times, 0);
}

async function matched(page: Page): Promise<string> {
  return (await page.getByRole('region', { name: 'Flame graph' }).locator('output').textContent())!;
}

/** What is focused, with its value. */
async function where(page: Page): Promise<string> {
  return (await page.locator('.flame-where').innerText()).replaceAll('\n', ' ');
}

/** What a screen reader is told of the frame at the cursor. */
async function spoken(page: Page): Promise<string> {
  const texts = await page.locator('.flame [role=status][aria-live]').allTextContents();
  return texts.join('');
}

function tableOf(page: Page): Locator {
  return page.getByRole('region', { name: /functions/ });
}

/** That the table says what a function costs. */
async function costs(page: Page, name: string, cost: { self: number; total: number }, whole: number): Promise<void> {
  const row = tableOf(page)
    .getByRole('row')
    .filter({ has: page.getByRole('button', { name, exact: true }) });
  for (const [i, wanted] of [cost.self, cost.total].entries()) {
    const cell = row.getByRole('cell').nth(1 + i);
    expectAmount(await cell.locator('.flame-amount > span').textContent(), wanted, name);
    if (wanted > 0) expectShare(await cell.locator('small').textContent(), wanted / whole, name);
  }
}

function costOf(told: Told, query: OracleQuery, name: string): { self: number; total: number } {
  return told.functions(query).find((one) => one.name === name) ?? { self: 0, total: 0 };
}

/** Of each series the mean over its profiles, then the sum over series (docs/api.md). */
function averageOf(told: Told, typeId: string, service: string): number {
  const series = new Map<string, bigint[]>();
  for (const row of told.oracle.stored('anonymous')) {
    if (row.typeId !== typeId || !row.labels.some(([name, value]) => name === 'service_name' && value === service))
      continue;
    const key = JSON.stringify(row.labels);
    series.set(key, [...(series.get(key) ?? []), row.total]);
  }
  return [...series.values()].reduce(
    (sum, values) => sum + Number(values.reduce((a, b) => a + b, 0n)) / values.length,
    0,
  );
}

async function clickFrame(page: Page, { middle, row }: { middle: number; row: number }): Promise<void> {
  const box = (await page.getByRole('application').boundingBox())!;
  await page.mouse.click(box.x + middle * box.width, box.y + (row + 0.5) * ROW_HEIGHT);
}

async function downloaded(page: Page, name: string): Promise<Uint8Array> {
  await page.getByRole('button', { name: 'Download' }).click();
  const [download] = await Promise.all([page.waitForEvent('download'), page.getByRole('button', { name }).click()]);
  return readFile(await download.path());
}
