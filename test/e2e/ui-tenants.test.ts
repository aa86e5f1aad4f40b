import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { findChromium, startChromium } from '../support/chromium.ts';
import { connectPush } from '../support/http-client.ts';
import { kilnIsBuilt, kilnMain, startKiln, type RunningKiln } from '../support/kiln-process.ts';
import { requireService } from '../support/services.ts';
import { CPU, cpuProfile, MINUTE, Told } from './ui-data.ts';
import { expectAmount, seriousOf, picture, START_MS, THEMES, Visits } from './ui-page.ts';

const built = requireService('kiln', kilnIsBuilt(), `${kilnMain} is not built`);
const chromium = findChromium();
const hasBrowser = requireService('Chromium', chromium !== undefined, 'it is not installed: apt-get install chromium');
const [RED, BLUE] = ['team-red', 'team-blue'] as const;

/** tasks.md, several tenants. */
describe.skipIf(!built || !hasBrowser)('the page of a server with tenants', () => {
  let dir = '';
  let kiln: RunningKiln;
  let browser: Browser;
  const visits = new Visits();
  let told: Told;
  let nowMs = 0;
  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'kiln-ui-'));
    [kiln, browser] = await Promise.all([
      startKiln({ dataDir: join(dir, 'data'), flags: ['--auth.multitenancy-enabled=true'], timeoutMs: START_MS }),
      startChromium(chromium!),
    ]);
    told = new Told(kiln.url);
    nowMs = Date.now();
    const push = (tenant: string, service: string, ms: number, frame: string): Promise<void> =>
      told.push(
        { __name__: 'process_cpu', service_name: service },
        [cpuProfile(nowMs - 5 * MINUTE, [[`main;${frame}`, ms]])],
        tenant,
      );
    await push(RED, 'shared', 1_230, 'red_only');
    await push(RED, 'red-service', 10, 'red_only');
    await push(BLUE, 'shared', 45_600, 'blue_only');
    for (const [tenant, times] of [
      [RED, 2],
      [BLUE, 5],
    ] as const)
      for (let i = 0; i < times; i++) {
        const name = `refused-of-${tenant}`;
        const labels = [
          ['service_name', name],
          ['__name__', 'process_cpu'],
          ['long', 'x'.repeat(3_000)],
        ] as const;
        const profile = cpuProfile(nowMs - i * 1_000, [['main', 1]]);
        await connectPush(kiln.url, [{ labels, samples: [{ profile }] }], { tenant });
      }
  });
  afterEach(({ task }) => visits.close(task));
  afterAll(async () => {
    await browser.close();
    await kiln.stop();
    await rm(dir, { recursive: true, force: true });
  });

  const totalOf = (tenant: string): number =>
    told.total(
      { profileTypeId: CPU, selector: '{service_name="shared"}', startMs: nowMs - 3_600_000, endMs: nowMs + 60_000 },
      tenant,
    );
  /** Asks for a tenant as the page asks for one. */
  const name = async (page: Page, tenant: string): Promise<void> => {
    await page.getByRole('textbox', { name: 'Tenant' }).fill(tenant);
    await page.getByRole('button', { name: 'Look' }).click();
    await page.getByRole('button', { name: `Tenant: ${tenant}` }).waitFor();
  };
  const sees = async (page: Page, tenant: string, services: number): Promise<void> => {
    await page.getByRole('heading', { name: `Services (${services})` }).waitFor();
    const cell = page.getByRole('row').filter({ hasText: 'shared' }).getByRole('cell').nth(1);
    await expect.poll(() => cell.textContent()).not.toBe('');
    expectAmount(await cell.textContent(), totalOf(tenant), `shared, of ${tenant}`);
  };

  test.each(THEMES)(
    '18, 19: who is asked for a tenant sees what is of that one, also after coming back, and no other (%s)',
    async (theme) => {
      const { page } = await visits.open(browser, `${kiln.url}/`, { theme });
      await page.getByRole('heading', { name: 'Whose profiles?' }).waitFor();
      await picture(page, `${theme}-whose`);
      expect(await seriousOf(page)).toEqual([]);
      await name(page, RED);
      await sees(page, RED, 2);
      // Remembered: an address without a tenant is that of the last one.
      await page.goto(`${kiln.url}/`);
      await sees(page, RED, 2);
      await page.getByRole('button', { name: `Tenant: ${RED}` }).click();
      await name(page, BLUE);
      await sees(page, BLUE, 1);
      await page.getByRole('link', { name: 'shared', exact: true }).click();
      const heading = page.getByRole('heading', { name: /^Flame graph of/ });
      await heading.waitFor();
      expectAmount(await heading.textContent(), totalOf(BLUE), 'the flame graph');
      await page.getByRole('button', { name: 'blue_only', exact: true }).waitFor();
      expect(await page.content()).not.toMatch(/red_only|team-red|red-service/);
      // Whose it is stands in the address: a colleague of another team does not see her own instead.
      expect(new URL(page.url()).searchParams.get('tenant')).toBe(BLUE);
    },
  );

  test.each(THEMES)(
    '20: who asks why nothing comes in is told the refusals of her tenant, their cause and the setting (%s)',
    async (theme) => {
      const { page } = await visits.open(browser, `${kiln.url}/?tenant=${RED}`, { theme });
      for (const [tenant, times] of [
        [RED, 2],
        [BLUE, 5],
      ] as const) {
        await page.goto(`${kiln.url}/?tenant=${tenant}`);
        const row = page.getByRole('row').filter({ hasText: `refused-of-${tenant}` });
        await row.waitFor();
        expect(await row.getByRole('cell').nth(1).textContent()).toBe(String(times));
        expect(await row.textContent()).toMatch(/label value of "long" too long: 3000 bytes.*max_label_value_length/);
        expect(await page.getByText('refused-of-').count()).toBe(1);
      }
      await picture(page, `${theme}-refused`);
      expect(await seriousOf(page)).toEqual([]);
    },
  );
});
