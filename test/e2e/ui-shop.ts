import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Browser } from 'playwright-core';
import { afterAll, afterEach, beforeAll } from 'vitest';
import type { OracleQuery } from '../oracle/index.ts';
import { findChromium, startChromium } from '../support/chromium.ts';
import { kilnIsBuilt, kilnMain, startKiln, type RunningKiln } from '../support/kiln-process.ts';
import { requireService } from '../support/services.ts';
import { CPU, pushShop, Told } from './ui-data.ts';
import { START_MS, Visits, type OpenOptions, type OpenPage } from './ui-page.ts';

const built = requireService('kiln', kilnIsBuilt(), `${kilnMain} is not built`);
const chromium = findChromium();
const hasBrowser = requireService('Chromium', chromium !== undefined, 'it is not installed: apt-get install chromium');

/** Whether the page can be looked at here. */
export const canLook: boolean = built && hasBrowser;

/** A service of the shop. */
export const basket = '{service_name="basket"}';

const HOUR = 3_600_000;

/** A server of one tenant, below a prefix, that holds the shop of `ui-data.ts` as the oracle was told, and a browser that looks at it. */
export class Shop {
  dir = '';
  nowMs = 0;
  told!: Told;
  #kiln!: RunningKiln;
  #browser!: Browser;
  readonly #visits = new Visits();

  /** Starts it before the tests of a file and ends it behind them. @param timeoutMs of all that happens before. @param more what else happens there. */
  static use(timeoutMs = 2 * START_MS, more: (shop: Shop) => Promise<void> = () => Promise.resolve()): Shop {
    const shop = new Shop();
    beforeAll(async () => {
      await shop.#open();
      await more(shop);
    }, timeoutMs);
    afterEach(({ task }) => shop.#visits.close(task));
    afterAll(() => shop.#close());
    return shop;
  }

  get url(): string {
    return this.#kiln.url;
  }

  /** All that was pushed of a kind and selector. */
  all(profileTypeId: string, selector: string): OracleQuery {
    return { profileTypeId, selector, startMs: this.nowMs - HOUR, endMs: this.nowMs + HOUR };
  }

  /** Another server, in the same folder and as empty as the name is new. */
  startOther(name: string): Promise<RunningKiln> {
    const flags = ['--server.path-prefix=/kiln/below'];
    return startKiln({ dataDir: join(this.dir, name), flags, timeoutMs: START_MS });
  }

  open(path: string, options: OpenOptions): Promise<OpenPage> {
    return this.openAt(this.url + path, options);
  }

  openAt(url: string, options: OpenOptions): Promise<OpenPage> {
    return this.#visits.open(this.#browser, url, options);
  }

  async #open(): Promise<void> {
    this.dir = await mkdtemp(join(tmpdir(), 'kiln-ui-'));
    [this.#kiln, this.#browser] = await Promise.all([this.startOther('data'), startChromium(chromium!)]);
    this.told = new Told(this.url);
    this.nowMs = Date.now();
    await pushShop(this.told, this.nowMs);
  }

  async #close(): Promise<void> {
    await this.#browser.close();
    await this.#kiln.stop();
    await rm(this.dir, { recursive: true, force: true });
  }
}

/** A selector of one version of the basket. */
export function versionOf(version: string): string {
  return `{service_name="basket",version="${version}"}`;
}

/** The address that compares two versions. */
export function compare(left: string, right: string): string {
  const query = { leftQuery: `${CPU}${versionOf(left)}`, rightQuery: `${CPU}${versionOf(right)}` };
  return `/compare?${new URLSearchParams(query).toString()}`;
}
