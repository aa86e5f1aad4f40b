import { readFile } from 'node:fs/promises';
import type { Locator, Page } from 'playwright-core';
import type { OracleQuery } from '../oracle/index.ts';
import type { Told } from './ui-data.ts';
import { expectAmount, expectShare } from './ui-page.ts';

/** Of a row of frames, pixels. */
export const ROW_HEIGHT = 20;

/** How much of the graph a search has found. */
export async function matched(page: Page): Promise<string> {
  return (await page.getByRole('region', { name: 'Flame graph' }).locator('output').textContent())!;
}

/** What is focused, with its value. */
export async function where(page: Page): Promise<string> {
  return (await page.locator('.flame-where').innerText()).replaceAll('\n', ' ');
}

/** What a screen reader is told of the frame at the cursor. */
export async function spoken(page: Page): Promise<string> {
  const texts = await page.locator('.flame [role=status][aria-live]').allTextContents();
  return texts.join('');
}

/** The table of functions. */
export function tableOf(page: Page): Locator {
  return page.getByRole('region', { name: /functions/ });
}

/** That the table says what a function costs. */
export async function costs(
  page: Page,
  name: string,
  cost: { self: number; total: number },
  whole: number,
): Promise<void> {
  const row = tableOf(page)
    .getByRole('row')
    .filter({ has: page.getByRole('button', { name, exact: true }) });
  for (const [i, wanted] of [cost.self, cost.total].entries()) {
    const cell = row.getByRole('cell').nth(1 + i);
    expectAmount(await cell.locator('.flame-amount > span').textContent(), wanted, name);
    if (wanted > 0) expectShare(await cell.locator('small').textContent(), wanted / whole, name);
  }
}

/** What a function costs as the oracle says; nothing when it is in no stack. */
export function costOf(told: Told, query: OracleQuery, name: string): { self: number; total: number } {
  return told.functions(query).find((one) => one.name === name) ?? { self: 0, total: 0 };
}

/** Clicks the frame of a place that the oracle tells. */
export async function clickFrame(page: Page, { middle, row }: { middle: number; row: number }): Promise<void> {
  const box = (await page.getByRole('application').boundingBox())!;
  await page.mouse.click(box.x + middle * box.width, box.y + (row + 0.5) * ROW_HEIGHT);
}

/** The file of an entry of the menu *Download*. */
export async function downloaded(page: Page, name: string): Promise<Uint8Array> {
  await page.getByRole('button', { name: 'Download' }).click();
  const [download] = await Promise.all([page.waitForEvent('download'), page.getByRole('button', { name }).click()]);
  return readFile(await download.path());
}
