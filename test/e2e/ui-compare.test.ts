import type { Locator } from 'playwright-core';
import { describe, expect, test } from 'vitest';
import type { OracleQuery } from '../oracle/index.ts';
import { CPU, MINUTE } from './ui-data.ts';
import { costOf, spoken, tableOf } from './ui-graph.ts';
import { expectAmount, expectShare, picture, seriousOf, settled, THEMES, type OpenPage } from './ui-page.ts';
import { basket, canLook, compare, Shop, versionOf } from './ui-shop.ts';

/** tasks.md, one tenant. */
describe.skipIf(!canLook)('comparing', () => {
  const shop = Shop.use();

  describe.each(THEMES)('in %s', (theme) => {
    const view = (path: string): Promise<OpenPage> => shop.open(path, { theme });

    test('17: who compares two versions sees what grew, and what is new', async () => {
      const { page } = await view(compare('1.0', '1.1'));
      const [left, right] = ['1.0', '1.1'].map((version) => shop.all(CPU, versionOf(version))) as [
        OracleQuery,
        OracleQuery,
      ];
      const shares = (name: string): [number, number] => [
        costOf(shop.told, left, name).self / shop.told.total(left),
        costOf(shop.told, right, name).self / shop.told.total(right),
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
      expectAmount(before!, shop.told.total(left), 'before');
      expectAmount(now!, shop.told.total(right), 'now');
      await page.getByRole('button', { name: 'Swap' }).click();
      await settled(page);
      await reads('max', [shares('max')[1], shares('max')[0]], 'new');
      await page.getByRole('combobox', { name: 'Comparison' }).selectOption('sides');
      await settled(page);
      const titled = (name: string): Promise<string | null> =>
        page.getByRole('heading', { name: new RegExp(`^${name}: `) }).textContent();
      expectAmount((await titled('Left'))!, shop.told.total(right), 'left');
      expectAmount((await titled('Right'))!, shop.told.total(left), 'right');
      await picture(page, `${theme}-sides`);
      // The hour before with this one: the same selection, one length earlier.
      const half = { startMs: shop.nowMs - 30 * MINUTE, endMs: shop.nowMs };
      const times = { from: String(half.startMs), until: String(half.endMs) };
      const query = {
        leftQuery: CPU + basket,
        rightQuery: CPU + basket,
        rightFrom: times.from,
        rightUntil: times.until,
      };
      await page.goto(`${shop.url}/compare?${new URLSearchParams({ ...query, comparison: 'sides' }).toString()}`);
      await page.getByRole('button', { name: 'Compare with the time before' }).click();
      const before30 = { startMs: half.startMs - 30 * MINUTE - 1, endMs: half.startMs - 1 };
      await expect.poll(() => new URL(page.url()).searchParams.get('leftFrom')).toBe(String(before30.startMs));
      await settled(page);
      expectAmount(await titled('Left'), shop.told.total({ ...shop.all(CPU, basket), ...before30 }), 'before');
      expectAmount(await titled('Right'), shop.told.total({ ...shop.all(CPU, basket), ...half }), 'after');
    });
  });
});
