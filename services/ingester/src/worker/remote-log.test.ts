import { describe, expect, test } from 'vitest';
import type { LogId } from '@kiln/model';
import type { LogEntry, OpenLog } from '@kiln/partition-log';
import { setImmediate } from 'node:timers/promises';
import { LogServer } from './remote-log.ts';

describe('readers of a log for a worker', () => {
  test.each(['log.stop', 'close'])(
    'let go of what they hold when they are stopped between two batches: %s',
    async (how) => {
      const open = { readers: 0 };
      const server = new LogServer(new Map([[0, endless(open)]]));
      const {
        'log.read': read,
        'log.next': next,
        'log.stop': stop,
      } = server.handlers() as Record<string, (n: number, from?: number) => unknown>;
      const reader = read!(0, 0) as number;
      await next!(reader);
      expect(open.readers).toBe(1);
      if (how === 'close') server.close();
      else stop!(reader);
      await setImmediate();
      expect(open.readers).toBe(0);
      expect(await next!(reader)).toBeUndefined();
    },
  );
});

/** A log that counts its open readers, as files are open while a file log is read. */
function endless(open: { readers: number }): OpenLog {
  async function* read(from: number): AsyncGenerator<LogEntry[], void, undefined> {
    open.readers++;
    try {
      for (let offset = from; ; offset++) yield [{ offset, appendMs: 1, record: Uint8Array.of(1) }];
    } finally {
      open.readers--;
    }
  }
  const none = (): never => {
    throw new Error('not asked for');
  };
  return { id: 'x' as LogId, partition: 0, read, append: none, startOffset: none, endOffset: none, trim: none };
}
