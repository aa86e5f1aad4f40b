import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { expect, it } from 'vitest';

/** As ./kiln builds it before tests run. */
const page = join(import.meta.dirname, '../dist/page');
const document = readFileSync(join(page, 'index.html'), 'utf8');
const files = [...document.matchAll(/<(?:script|link)[^>]*(?:src|href)="([^"]+)"/g)].map((match) => match[1]!);

it('what a browser loads before the first view is less than 150 KB', () => {
  const loaded = files.filter((file) => !file.startsWith('data:'));
  expect(loaded.length).toBeGreaterThanOrEqual(2);
  const bytes = [document, ...loaded.map((file) => readFileSync(join(page, file)))].map(
    (content) => gzipSync(content, { level: 9 }).length,
  );
  expect(bytes.reduce((sum, size) => sum + size, 0)).toBeLessThan(150_000);
});

it('every file lies beside the page, below whatever prefix', () => {
  expect(files.filter((file) => !/^(\.\/|data:)/.test(file))).toEqual([]);
});
