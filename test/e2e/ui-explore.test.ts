import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { readPprof, unzipped } from '../oracle/index.ts';
import { CPU, FIXED_AT, IN_USE, MINUTE, SLOW, type Told } from './ui-data.ts';
import { clickFrame, costOf, costs, downloaded, matched, ROW_HEIGHT, spoken, tableOf, where } from './ui-graph.ts';
import {
  expectAmount,
  expectShare,
  explore,
  heading,
  picture,
  seriousOf,
  shows,
  THEMES,
  type OpenPage,
  type Theme,
} from './ui-page.ts';
import { basket, canLook, Shop } from './ui-shop.ts';

/** tasks.md, one tenant. */
describe.skipIf(!canLook)('exploring a service', () => {
  const shop = Shop.use();

  describe.each(THEMES)('in %s', (theme) => {
    const view = (path: string): Promise<OpenPage> => shop.open(path, { theme });

    test('4: who narrows by labels is offered names and values, and all four operators hold', async () => {
      const { page } = await view(explore(CPU, basket));
      await shows(page, shop.told.total(shop.all(CPU, basket)));
      const field = page.getByRole('combobox', { name: 'Selector' });
      await field.fill('{service_name="basket",inst');
      await page.getByRole('option', { name: 'instance', exact: true }).click();
      await page.getByRole('option', { name: '=', exact: true }).click();
      await field.pressSequentially('"lo');
      await page.getByRole('option', { name: 'low:8081', exact: true }).click();
      await shows(page, shop.told.total(shop.all(CPU, '{service_name="basket",instance="low:8081"}')));
      for (const matcher of ['instance!="low:8081"', 'version=~"1\\\\.[1-9]"', 'instance!~"h.*"']) {
        const selector = `{service_name="basket",${matcher}}`;
        await field.fill(selector);
        await field.press('Enter');
        await shows(page, shop.told.total(shop.all(CPU, selector)));
      }
    });

    test('5: who searches by text or expression reads which share matches, a recursion counted once', async () => {
      const { page } = await view(explore(CPU, basket));
      const query = shop.all(CPU, basket);
      await shows(page, shop.told.total(query));
      const field = page.getByRole('searchbox', { name: 'Search functions' });
      for (const [text, name] of [
        ['QUICKSORT', 'quicksort'],
        ['/^get_.*of$/', 'get_biggest_five_of'],
      ] as const) {
        await field.fill(text);
        const { total } = costOf(shop.told, query, name);
        await expect.poll(() => matched(page)).toContain('matched');
        expectShare(await matched(page), total / shop.told.total(query), text);
        expect(await tableOf(page).getByRole('button', { name, exact: true }).count()).toBe(1);
      }
      await field.fill('/(/');
      await expect.poll(() => matched(page)).toMatch(/expression|\(/i);
      await picture(page, `${theme}-search-invalid`);
    });

    test('6: who sorts the table sees what costs most, itself or in all', async () => {
      const { page } = await view(explore(CPU, basket));
      const query = shop.all(CPU, basket);
      await shows(page, shop.told.total(query));
      const functions = shop.told.functions(query);
      const whole = shop.told.total(query);
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
      const query = shop.all(CPU, basket);
      await shows(page, shop.told.total(query));
      const path = ['main', 'handle', 'quicksort', 'quicksort'];
      const place = shop.told.place(query, path);
      await clickFrame(page, place);
      await expect.poll(() => where(page)).toContain('quicksort');
      expectAmount((await where(page)).replace('quicksort', ''), place.total, 'the frame');
      expectShare(await where(page), place.total / shop.told.total(query), 'the frame');
      await page.goBack();
      await expect.poll(() => where(page)).not.toContain('quicksort');
      expectAmount(await where(page), shop.told.total(query), 'all');
    });

    test('8: who points at a block learns its share, its kind and its unit', async () => {
      const { page } = await view(explore(CPU, basket));
      const query = shop.all(CPU, basket);
      await shows(page, shop.told.total(query));
      const place = shop.told.place(query, ['main', 'handle', 'render']);
      const box = (await page.getByRole('application').boundingBox())!;
      await page.mouse.move(box.x + place.middle * box.width, box.y + (place.row + 0.5) * ROW_HEIGHT);
      const tip = page.locator('.flame-tooltip');
      await expect.poll(() => tip.textContent()).toContain('render');
      const fact = (name: string): Promise<string | null> =>
        tip.locator('div').filter({ hasText: name }).locator('dd').first().textContent();
      expectAmount(await fact('total'), place.total, 'total');
      expectAmount(await fact('self'), place.self, 'self');
      expectShare(await fact('of all'), place.total / shop.told.total(query), 'share');
      expect(await tip.textContent()).toContain('nanoseconds');
      await picture(page, `${theme}-tooltip`);
      // The same is shop.told to who points at nothing: by the keys, and in words.
      await page.getByRole('application').focus();
      await page.keyboard.press('ArrowDown');
      await page.keyboard.press('ArrowDown');
      const main = shop.told.place(query, ['main', 'handle']);
      await expect.poll(() => spoken(page)).toContain('handle: ');
      expectAmount((await spoken(page)).replace('handle: ', ''), main.total, 'spoken');
    });

    test('9: who looks at memory sees an average that says so, and the sum when asked', async () => {
      const { page } = await view(explore(CPU, basket));
      await shows(page, shop.told.total(shop.all(CPU, basket)));
      await page.getByRole('combobox', { name: 'Kind of profile' }).selectOption(IN_USE);
      await expect.poll(() => heading(page)).toContain('on average, all series added up');
      expectAmount(await heading(page), averageOf(shop.told, IN_USE, 'basket'), 'on average');
      await page.getByRole('heading', { name: 'Memory in use per series, mean of each 30 s' }).waitFor();
      await picture(page, `${theme}-memory`);
      await page.getByRole('combobox', { name: 'Aggregation' }).selectOption('sum');
      await expect.poll(() => heading(page)).not.toContain('on average');
      await shows(page, shop.told.total(shop.all(IN_USE, basket)));
    });

    test('10: who groups by instance compares two machines in one timeline', async () => {
      const { page } = await view(explore(CPU, basket));
      await shows(page, shop.told.total(shop.all(CPU, basket)));
      await page.getByRole('combobox', { name: 'Group by' }).selectOption('instance');
      for (const instance of ['low:8081', 'high:8081']) {
        const line = page.getByRole('button', { name: instance });
        await line.waitFor();
        const wanted = shop.told.total(shop.all(CPU, `{service_name="basket",instance="${instance}"}`));
        expectAmount((await line.textContent())!.replace(instance, ''), wanted, instance);
      }
      await picture(page, `${theme}-groups`);
      await page.getByRole('button', { name: 'low:8081' }).click();
      await shows(page, shop.told.total(shop.all(CPU, '{service_name="basket",instance="low:8081"}')));
    });

    test('11: who drags over the slow part looks only at that', async () => {
      const { page } = await view(explore(CPU, basket, 'from=now-1h'));
      await shows(page, shop.told.total(shop.all(CPU, basket)));
      const plot = page.locator('.timeline-chart .u-over');
      const box = (await plot.boundingBox())!;
      const minute = Math.floor(shop.nowMs / MINUTE) * MINUTE;
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
      const query = { ...shop.all(CPU, basket), startMs, endMs };
      await shows(page, shop.told.total(query));
      const waits = costOf(shop.told, query, 'lock_wait');
      expect(waits.total / shop.told.total(query)).toBeGreaterThan(0.4);
      await costs(page, 'lock_wait', waits, shop.told.total(query));
      await picture(page, `${theme}-zoomed`);
    });

    test('12: who picks the time after the fix by its dates finds the old function gone', async () => {
      const { page } = await view(explore(CPU, basket));
      await shows(page, shop.told.total(shop.all(CPU, basket)));
      const minute = Math.floor(shop.nowMs / MINUTE) * MINUTE;
      const query = { ...shop.all(CPU, basket), startMs: minute - FIXED_AT * MINUTE, endMs: minute - 2 * MINUTE };
      const text = (ms: number): string => new Date(ms).toISOString().slice(0, 16).replace('T', ' ');
      await page.getByRole('button', { name: /^Time range/ }).click();
      await page.getByRole('textbox', { name: 'From' }).fill(text(query.startMs));
      await page.getByRole('textbox', { name: 'Until' }).fill(text(query.endMs));
      await picture(page, `${theme}-times`);
      expect(await seriousOf(page)).toEqual([]);
      await page.getByRole('button', { name: 'Apply' }).click();
      await shows(page, shop.told.total(query));
      await costs(page, 'heapq.nlargest', costOf(shop.told, query, 'heapq.nlargest'), shop.told.total(query));
      await page.getByRole('searchbox', { name: 'Search functions' }).fill('/^max$/');
      await expect.poll(() => matched(page)).toBe('0% matched');
    });

    test('13: who turns the graph upside down sees the widest leaf first', async () => {
      const { page } = await view(explore(CPU, basket));
      const query = shop.all(CPU, basket);
      await shows(page, shop.told.total(query));
      const [leaf] = shop.told.functions(query);
      await page.getByRole('button', { name: 'Inverted' }).click();
      await page.getByRole('application').focus();
      await page.keyboard.press('ArrowDown');
      await expect.poll(() => spoken(page)).toContain(`${leaf!.name}: `);
      expectAmount((await spoken(page)).replace(leaf!.name, ''), leaf!.self, 'the widest leaf');
      await picture(page, `${theme}-inverted`);
    });

    test('14: who looks at a function from both sides sees its callers and its callees', async () => {
      const { page } = await view(explore(CPU, basket));
      const query = shop.all(CPU, basket);
      await shows(page, shop.told.total(query));
      await tableOf(page).getByRole('button', { name: 'Callers and callees of quicksort' }).click();
      const callees = page.getByRole('heading', { name: /^Callees/ });
      const { total } = costOf(shop.told, query, 'quicksort');
      expectAmount((await callees.textContent())!.replace(/^.*frames · /, ''), total, 'in all');
      expectShare(await callees.textContent(), total / shop.told.total(query), 'share of everything');
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
      const query = shop.all(CPU, basket);
      await shows(page, shop.told.total(query));
      await page.getByRole('searchbox', { name: 'Search functions' }).fill('partition');
      await clickFrame(page, shop.told.place(query, ['main', 'handle', 'quicksort']));
      await expect.poll(() => where(page)).toContain('quicksort');
      await context.grantPermissions(['clipboard-read', 'clipboard-write']);
      await page.getByRole('button', { name: 'Share' }).click();
      await page.getByText('Copied').waitFor();
      const link = await page.evaluate<string>('navigator.clipboard.readText()');
      const other: Theme = theme === 'light' ? 'dark' : 'light';
      const colleague = await shop.openAt(link, { theme: other });
      await shows(colleague.page, shop.told.total(query));
      for (const look of [heading, where, matched]) expect(await look(colleague.page)).toBe(await look(page));
    });

    test('16: who takes the profile away has every sample in the file', async () => {
      const { page, context } = await view(explore(CPU, basket));
      const query = shop.all(CPU, basket);
      await shows(page, shop.told.total(query));
      const file = await downloaded(page, 'pprof (.pb.gz)');
      const { sample } = readPprof(unzipped(file));
      expect(Number(sample.reduce((sum, { value }) => sum + value[0]!, 0n))).toBe(shop.told.total(query));
      const collapsed = Buffer.from(await downloaded(page, 'Collapsed stacks (.txt)')).toString();
      const lines = collapsed.trimEnd().split('\n');
      expect(lines.reduce((sum, line) => sum + Number(/ (\d+)$/.exec(line)![1]), 0)).toBe(shop.told.total(query));
      expect(lines).toContain(`main;handle;render ${shop.told.place(query, ['main', 'handle', 'render']).self}`);
      // The drawing opens by itself.
      const svg = join(shop.dir, `${theme}.svg`);
      await writeFile(svg, await downloaded(page, 'Picture (.svg)'));
      const drawing = await context.newPage();
      await drawing.goto(`file://${svg}`);
      const drawn = (await drawing.locator('svg').first().textContent())!;
      expectAmount(/[\d.]+ s/.exec(drawn)![0], shop.told.total(query), 'the drawing');
      for (const name of ['quicksort', 'get_biggest_five_of']) expect(drawn).toContain(name);
    });
  });
});

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
