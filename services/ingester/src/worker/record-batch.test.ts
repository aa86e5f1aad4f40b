import { expect, test } from 'vitest';
import { packEntries, unpackEntries } from './record-batch.ts';

test('log entries come out of a batch as they went in, and the log keeps its bytes', () => {
  const entries = [
    { offset: 5, appendMs: 1_700_000_000_000, record: new Uint8Array([1, 2]) },
    { offset: 6, appendMs: 1_700_000_000_001, record: undefined },
    { offset: 7, appendMs: 1_700_000_000_001, record: new Uint8Array(0) },
    { offset: 9, appendMs: 1_700_000_000_002, record: new Uint8Array([3]) },
  ];
  const { value, transfer } = packEntries(entries);
  expect(unpackEntries(structuredClone(value, { transfer: transfer as ArrayBuffer[] }))).toEqual(entries);
  expect(entries[0]!.record!.byteLength).toBe(2);
});
