import { appendFile, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { digestOf, ImportJournal, type Imported } from './import-journal.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'kiln-journal-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));
const path = (): string => join(folder, 'journal');

const file: Imported = {
  url: 'http://kiln:4040',
  tenant: 'ann',
  labels: '{service_name="shop"}',
  digest: digestOf(Uint8Array.of(1)),
};

/** What a journal that is opened anew knows. */
async function known(...files: readonly Imported[]): Promise<(number | 'imported' | 'unknown')[]> {
  await using journal = await ImportJournal.open(path());
  return files.map((one) => (journal.has(one) ? 'imported' : (journal.begunMs(one) ?? 'unknown')));
}

test('a file that was sent and answered is known to the next import, and no other content, tenant, series or server is', async () => {
  const others = [
    { ...file, digest: digestOf(Uint8Array.of(2)) },
    { ...file, tenant: 'bob' },
    { ...file, labels: '{service_name="cart"}' },
    { ...file, url: 'http://kiln:4041' },
  ];
  {
    await using journal = await ImportJournal.open(path());
    expect(journal.has(file)).toBe(false);
    await journal.begin(file, 1_000);
    await journal.add(file);
    expect([journal.has(file), journal.begunMs(file)]).toEqual([true, undefined]);
  }
  expect(await known(file, ...others)).toEqual(['imported', 'unknown', 'unknown', 'unknown', 'unknown']);
});

test('a journal of before, whose addresses end with a slash, knows what it knew', async () => {
  const begun = { ...file, digest: digestOf(Uint8Array.of(2)) };
  {
    await using journal = await ImportJournal.open(path());
    await journal.add({ ...file, url: `${file.url}/` });
    await journal.begin({ ...begun, url: `${file.url}/` }, 1_000);
  }
  expect(await known(file, begun)).toEqual(['imported', 1_000]);
});

test('a file that was sent and not answered is known as begun, since its first sending, until it is answered or refused', async () => {
  for (const nowMs of [1_000, 2_000]) {
    await using journal = await ImportJournal.open(path());
    await journal.begin(file, nowMs);
  }
  expect(await known(file)).toEqual([1_000]);
  {
    await using journal = await ImportJournal.open(path());
    await journal.drop(file);
  }
  expect(await known(file)).toEqual(['unknown']);
  {
    await using journal = await ImportJournal.open(path());
    await journal.begin(file, 3_000);
    await journal.add(file);
  }
  expect(await known(file)).toEqual(['imported']);
});

test('a line that was cut short is not believed, and does not spoil the next one', async () => {
  {
    await using journal = await ImportJournal.open(path());
    await journal.begin(file, 1_000);
    await journal.add(file);
  }
  const whole = await readFile(path(), 'utf8');
  for (let length = whole.lastIndexOf('[') + 1; length < whole.length; length++) {
    await writeFile(path(), whole.slice(0, length));
    expect(await known(file)).toEqual([1_000]);
    await appendFile(path(), `${JSON.stringify([file.digest, file.url, file.tenant, file.labels])}\n`);
    expect(await known(file)).toEqual(['imported']);
  }
});
