import { describe, expect, test } from 'vitest';
import { MemoryLedger } from '@kiln/async';
import { InFlight } from './in-flight.ts';

const MIB = 1024 * 1024;

describe('bytes in flight', () => {
  test('are bounded over all large requests; one alone always fits; what is released is free', () => {
    const all = new InFlight(100 * MIB, 'push.max');
    const [a, b] = [all.open(), all.open()];
    a.grow(60 * MIB);
    a.grow(500 * MIB);
    expect(() => b.grow(5 * MIB)).toThrow(/hold \d+ bytes, 5242880 more do not fit below 104857600/);
    a.release();
    a.release();
    b.grow(40 * MIB);
    a.grow(60 * MIB);
    expect(() => a.grow(1)).toThrow(expect.objectContaining({ code: 'unavailable', retryAfterSeconds: 1 }));
    b.release();
    a.release();
    expect(all.usedBytes).toBe(0);
  });

  test('of small requests are bounded apart: large ones do not shut them out, nor they the large ones', () => {
    const all = new InFlight(16 * MIB, 'push.max');
    const large = all.open();
    large.grow(200 * MIB);
    const small = Array.from({ length: 4 }, () => all.open());
    for (const held of small) held.grow(MIB);
    expect(() => all.open().grow(1)).toThrow(/hold 4194304 bytes, 1 more do not fit below 4194304/);
    // A small request that grows is a large one, and what it held is free for others.
    large.release();
    small[0]!.grow(12 * MIB);
    all.open().grow(MIB);
    expect(all.usedBytes).toBe(17 * MIB);
  });

  test('of one kind share the limit', () => {
    const all = new InFlight(100, 'query.max', { smallBytes: 0 });
    all.open().grow(60);
    const held = all.open();
    held.grow(40);
    expect(() => held.grow(1)).toThrow('requests in flight hold 100 bytes, 1 more do not fit below 100 (query.max)');
    held.release();
    expect(all.usedBytes).toBe(60);
  });

  test('are refused while the process is at its memory ceiling, also of a request that is alone, and give back what they counted', () => {
    const ledger = MemoryLedger.create(100 * MIB);
    const all = new InFlight(16 * MIB, 'push.max', { ledger });
    const held = all.open();
    held.grow(2 * MIB);
    held.grow(3 * MIB);
    expect(ledger.bytesOf('requests')).toBe(5 * MIB);
    ledger.move('heads', 0, 95 * MIB);
    expect(() => held.grow(MIB)).toThrow(
      expect.objectContaining({ code: 'unavailable', reason: 'memory_ceiling', retryAfterSeconds: 1 }),
    );
    held.release();
    expect(ledger.bytesOf('requests')).toBe(0);
    expect(() => all.open().expect(6 * MIB)).toThrow(/holds 99614720 bytes .* below 104857600 \(memory\.ceiling\)/);
    all.open().grow(5 * MIB);
  });
});
