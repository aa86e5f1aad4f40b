import { parse as parseYaml } from 'yaml';
import type { Clock } from '@kiln/async';
import { ConfigError } from '@kiln/config';
import { readText } from './read-text.ts';
import { sentenceOf } from './sentence.ts';
import type { Logger, Metrics } from '@kiln/telemetry';
import { readOverrides, type Overrides, type TenantLimits } from '@kiln/tenant';

export interface OverridesFileOptions {
  /** Later ones win, field by field. */
  readonly files: readonly string[];
  readonly everyMs: number;
  readonly limits: TenantLimits;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: Metrics;
}

/** A file that is just being written looks different a moment later. */
const SETTLE_MS = 250;

/**
 * Keeps the limits of tenants as the files say, until `signal` aborts: read again every `everyMs`, by content, so that a swapped link or a mounted
 * ConfigMap is noticed. While a file is missing, broken or being written what held before goes on to hold, and a gauge says so.
 * @returns lines for `/ready?verbose`: why the last good content holds, while it does.
 * @throws ConfigError when the files cannot be used at start: then nothing held before.
 */
export async function followOverrides(
  options: OverridesFileOptions,
  signal: AbortSignal,
): Promise<() => readonly string[]> {
  const { files, everyMs, limits, clock, log, metrics } = options;
  const bad = metrics.gauge({
    name: 'kiln_tenant_overrides_bad',
    help: '1 while a file of runtime-config.file cannot be used and its last good content holds.',
  });
  const loaded = metrics.gauge({
    name: 'kiln_tenant_overrides_loaded_timestamp_seconds',
    help: 'When the overrides that hold were read.',
  });
  let held = await readTexts(files);
  const hold = (overrides: Overrides): void => {
    limits.replace(overrides);
    loaded.set(clock.nowMs() / 1000);
  };
  hold(parseFiles(files, held));
  bad.set(0);
  let told = '';
  const look = async (): Promise<void> => {
    const texts = await readTexts(files);
    if (!isSame(texts, held)) {
      await clock.sleep(SETTLE_MS, signal);
      if (!isSame(await readTexts(files), texts)) return; // being written: the next look will tell
      hold(parseFiles(files, texts));
      held = texts;
      log.info('overrides loaded', { files: files.join(',') });
    }
    bad.set(0);
    told = '';
  };
  void (async () => {
    while (!signal.aborted) {
      try {
        await clock.sleep(everyMs, signal);
        await look();
      } catch (error) {
        if (signal.aborted) return;
        bad.set(1);
        const { message } = error as Error;
        if (message !== told) log.error('overrides not loaded, the last good ones hold', { why: message });
        told = message;
      }
    }
  })();
  return () => (told === '' ? [] : [`overrides: not loaded, the last good ones hold: ${told}`]);
}

async function readTexts(files: readonly string[]): Promise<string[]> {
  return Promise.all(
    files.map((file) =>
      readText(file).catch((error: unknown) => {
        throw new ConfigError(`runtime-config.file cannot be read: ${sentenceOf(error)}`);
      }),
    ),
  );
}

function parseFiles(files: readonly string[], texts: readonly string[]): Overrides {
  return readOverrides(files.map((name, i) => ({ name, tree: parseText(name, texts[i]!) })));
}

function parseText(name: string, text: string): unknown {
  try {
    return parseYaml(text);
  } catch (error) {
    throw new ConfigError(`${name} is not YAML: ${(error as Error).message.split('\n', 1)[0]}`);
  }
}

function isSame(a: readonly string[], b: readonly string[]): boolean {
  return a.every((text, i) => text === b[i]);
}
