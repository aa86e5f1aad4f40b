import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { connectPush } from '../support/http-client.ts';
import type { RunningKiln } from '../support/kiln-process.ts';
import { appOf, currentPrograms, hasTool, runProgram } from './programs.ts';
import { recordingProxy } from './recording-proxy.ts';
import { CPU } from './ui-data.ts';
import { costs, matched } from './ui-graph.ts';
import {
  expectAmount,
  expectShare,
  explore,
  picture,
  seriousOf,
  settled,
  shows,
  START_MS,
  THEMES,
  type OpenPage,
} from './ui-page.ts';
import { basket, canLook, compare, Shop } from './ui-shop.ts';

const programs = currentPrograms.filter(({ name, tool }) => ['python', 'node'].includes(name) && hasTool(tool));

/** Long enough for the last upload of ten seconds; an SDK that is not there yet is installed first. */
const PROGRAM_SECONDS = 12;
const INSTALL_AND_RUN_MS = 300_000;

/** What has the focus, and whether anything shows that it has. */
const FOCUSED = `(() => {
  const element = document.activeElement;
  const { outlineStyle, outlineWidth, boxShadow } = getComputedStyle(element);
  const isSeen = (outlineStyle !== 'none' && parseFloat(outlineWidth) > 0) || boxShadow !== 'none';
  return { element: element === document.body ? 'body' : element.outerHTML.slice(0, 120), isSeen };
})()`;

/** tasks.md, one tenant. */
describe.skipIf(!canLook)('the way into the page of a server with one tenant', () => {
  const shop = Shop.use(INSTALL_AND_RUN_MS, async ({ url, told }) => {
    const proxy = await recordingProxy(url);
    await Promise.all(programs.map((program) => runProgram(program, proxy.url, PROGRAM_SECONDS)));
    told.read(proxy.requests);
    proxy.close();
  });
  let empty: RunningKiln;
  beforeAll(async () => {
    empty = await shop.startOther('empty');
  }, START_MS);
  afterAll(() => empty.stop());

  test.each([900, 420])('in a window %i pixels wide nothing lies outside of it', async (width) => {
    for (const path of ['/', explore(CPU, basket), compare('1.0', '1.1')]) {
      const { page } = await shop.open(path, { theme: 'light', width });
      await page.waitForLoadState('networkidle');
      await settled(page);
      expect([path, await page.evaluate<number>('document.documentElement.scrollWidth')]).toEqual([path, width]);
    }
  });

  test('whoever looks at functions on a phone reads their names, and every column of the table', async () => {
    for (const path of [explore(CPU, basket), compare('1.0', '1.1')]) {
      const { page } = await shop.open(path, { theme: 'light', width: 420 });
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
    const view = (path: string): Promise<OpenPage> => shop.open(path, { theme });

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
      const { page } = await shop.openAt(`${empty.url}/`, { theme });
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
      const services = shop.told.oracle.labelValues('anonymous', shop.all(CPU, '{}'), 'service_name');
      await page.getByRole('heading', { name: `Services (${services.length})` }).waitFor();
      await picture(page, `${theme}-services`);
      expect(await seriousOf(page)).toEqual([]);
      await page.getByRole('searchbox', { name: 'Search services' }).fill('BASK');
      await page.getByRole('heading', { name: `Services (1 of ${services.length})` }).waitFor();
      const row = page.getByRole('row').filter({ hasText: 'basket' });
      await expect.poll(() => row.getByRole('cell').nth(1).textContent()).not.toBe('');
      expectAmount(
        await row.getByRole('cell').nth(1).textContent(),
        shop.told.total(shop.all(CPU, basket)),
        'CPU of basket',
      );
    });

    for (const program of programs) {
      const app = appOf(program);
      const [kind] = program.kinds as [string];
      test(`3: who runs ${program.name} goes from its service to its hot loop`, async () => {
        const { page } = await view('/');
        const query = shop.all(kind, `{service_name="${app}"}`);
        await page.getByRole('link', { name: app, exact: true }).click();
        await page.getByRole('heading', { name: /^Flame graph of/ }).waitFor();
        if (program.kinds.length > 1) await page.getByRole('combobox', { name: 'Kind of profile' }).selectOption(kind);
        await shows(page, shop.told.total(query));
        const functions = shop.told.functions(query);
        const hot = functions.find(({ name }) => name.includes(program.hot))!;
        const share = hot.total / shop.told.total(query);
        await page.getByRole('searchbox', { name: 'Search functions' }).fill(hot.name);
        expectShare(await matched(page), share, hot.name);
        await costs(page, hot.name, hot, shop.told.total(query));
        await picture(page, `${theme}-${program.name}`);
      });
    }
  });
});

async function rejectionsOf(url: string): Promise<number> {
  const answer = (await (await fetch(`${url}/api/v1/rejections`)).json()) as { rejections: { times: number }[] };
  return answer.rejections.reduce((sum, { times }) => sum + times, 0);
}
