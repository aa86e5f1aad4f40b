import { existsSync } from 'node:fs';
import { expect, test } from 'vitest';
import { requireService } from '../support/services.ts';
import { BROWSER, uiRows } from './ui-rows.ts';

const hasBrowser = requireService('Chromium', existsSync(BROWSER), `${BROWSER} is not installed`);

test.skipIf(!hasBrowser)('the flame graph is drawn, zoomed, searched, turned and dragged in a browser', async () => {
  const rows = await uiRows({ rounds: 1, sizes: [2_000], panMs: 300 });
  expect(rows.map(({ name }) => name.trim())).toEqual([
    'flame graph of 2,000 frames: first picture',
    'zoom: script before the first step',
    'search by a regular expression: script',
    'inverted: script',
    'script per frame of a pan',
  ]);
  expect(rows.filter(({ median }) => !(median > 0))).toEqual([]);
});
