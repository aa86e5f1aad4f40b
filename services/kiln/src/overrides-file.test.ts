import { appendFile, mkdir, mkdtemp, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { systemClock } from '@kiln/async';
import { ConfigError } from '@kiln/config';
import { parseTenantId } from '@kiln/model';
import { createLogger, createMetrics } from '@kiln/telemetry';
import { defaultLimits, TenantLimits } from '@kiln/tenant';
import { followOverrides } from './overrides-file.ts';

const tenant = parseTenantId('a');
let folder: string;
let stop: AbortController;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'kiln-overrides-'));
  stop = new AbortController();
});
afterEach(async () => {
  stop.abort();
  await rm(folder, { recursive: true });
});

interface Followed {
  readonly length: () => number;
  readonly bad: () => Promise<boolean>;
  readonly lines: string[];
  readonly notes: () => readonly string[];
}

async function follow(...files: string[]): Promise<Followed> {
  const limits = new TenantLimits(defaultLimits);
  const metrics = createMetrics({ ofProcess: false });
  const lines: string[] = [];
  const clock = systemClock();
  const log = createLogger({ level: 'info', write: (line) => lines.push(line), nowMs: () => clock.nowMs() });
  const notes = await followOverrides({ files, everyMs: 20, limits, clock, log, metrics }, stop.signal);
  return {
    length: () => limits.of(tenant).maxLabelNameLength,
    bad: async () => /^kiln_tenant_overrides_bad 1$/m.test(await metrics.text()),
    lines,
    notes,
  };
}

const says = (length: number): string => `overrides:\n  a:\n    max_label_name_length: ${length}\n`;

describe('fault 50: the overrides file', () => {
  test('is read again when it changes; broken, missing or empty the last good content holds and a gauge says so', async () => {
    const file = join(folder, 'limits.yaml');
    await writeFile(file, says(10));
    const followed = await follow(file);
    expect([followed.length(), await followed.bad()]).toEqual([10, false]);
    await writeFile(file, says(11));
    await expect.poll(followed.length).toBe(11);
    for (const broken of ['overrides: [', says(-1), 'overrides:\n  a:\n    no_such: 1\n', '']) {
      await writeFile(file, broken);
      await expect.poll(followed.bad).toBe(true);
      expect(followed.length()).toBe(11);
      await expect.poll(followed.notes).toEqual([expect.stringContaining(`the last good ones hold: `)]);
      await writeFile(file, says(11));
      await expect.poll(followed.bad).toBe(false);
      await expect.poll(followed.notes).toEqual([]);
    }
    await rm(file);
    await expect.poll(followed.bad).toBe(true);
    await writeFile(file, says(12));
    await expect.poll(followed.length).toBe(12);
    const told = followed.lines.filter((line) => line.includes('overrides not loaded'));
    expect(told).toHaveLength(5); // once each, not at every look
    expect(told[2]).toContain('unknown key no_such in overrides.a');
  });

  test('that is written in pieces is taken when it is whole', async () => {
    const file = join(folder, 'limits.yaml');
    await writeFile(file, says(10));
    const followed = await follow(file);
    const whole = `${says(11)}    max_label_value_length: 5\n`;
    await writeFile(file, '');
    const seen = new Set<number>();
    for (const piece of whole.match(/[^]{1,7}/g)!) {
      await appendFile(file, piece);
      await new Promise((resolve) => setTimeout(resolve, 40));
      seen.add(followed.length());
    }
    await expect.poll(followed.length).toBe(11);
    expect([...seen].filter((length) => length !== 10 && length !== 11)).toEqual([]);
  });

  test('that is swapped by a link, as a mounted ConfigMap is, is noticed', async () => {
    for (const [version, length] of [
      ['one', 10],
      ['two', 11],
    ] as const) {
      await mkdir(join(folder, version));
      await writeFile(join(folder, version, 'limits.yaml'), says(length));
    }
    await symlink('one', join(folder, 'data'));
    const followed = await follow(join(folder, 'data', 'limits.yaml'));
    expect(followed.length()).toBe(10);
    await symlink('two', join(folder, 'next'));
    await rename(join(folder, 'next'), join(folder, 'data'));
    await expect.poll(followed.length).toBe(11);
  });

  test('that cannot be used at start is a reason not to start', async () => {
    await expect(follow(join(folder, 'none.yaml'))).rejects.toThrow(
      `runtime-config.file cannot be read: there is no ${join(folder, 'none.yaml')}`,
    );
    // What Docker mounts where the file is not there.
    await expect(follow(folder)).rejects.toThrow(
      new ConfigError(`runtime-config.file cannot be read: ${folder} is a folder, not a file`),
    );
    await writeFile(join(folder, 'bad.yaml'), 'a: b: c');
    await expect(follow(join(folder, 'bad.yaml'))).rejects.toThrow('bad.yaml is not YAML');
  });
});
