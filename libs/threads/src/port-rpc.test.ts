import { KilnError } from '@kiln/model';
import { MessageChannel } from 'node:worker_threads';
import { expect, onTestFinished, test } from 'vitest';
import { Moved, movable, PortRpc, type Handlers } from './port-rpc.ts';

/** Two ends of a channel, each calling the other. */
function pair(left: Handlers, right: Handlers): [PortRpc, PortRpc] {
  const { port1, port2 } = new MessageChannel();
  onTestFinished(() => port1.close());
  return [new PortRpc(port1, left), new PortRpc(port2, right)];
}

test('calls go both ways and answers find their callers', async () => {
  const [left, right] = pair(
    { name: () => 'left' },
    {
      double: async (n: number) => {
        await Promise.resolve();
        return n * 2;
      },
    },
  );
  expect(await Promise.all([1, 2, 3].map((n) => left.call('double', n)))).toEqual([2, 4, 6]);
  expect(await right.call('name')).toBe('left');
});

test('errors cross with code, sentence and reason', async () => {
  const [left] = pair(
    {},
    {
      fail: () => {
        throw new KilnError('aborted', 'stale', { reason: 'stale_index', retryAfterSeconds: 3, httpStatus: 404 });
      },
      crash: () => {
        throw new TypeError('undefined is not a function');
      },
    },
  );
  await expect(left.call('fail')).rejects.toMatchObject({
    name: 'KilnError',
    code: 'aborted',
    message: 'stale',
    reason: 'stale_index',
    retryAfterSeconds: 3,
    httpStatus: 404,
  });
  await expect(left.call('crash')).rejects.toMatchObject({ code: 'internal', message: 'undefined is not a function' });
  await expect(left.call('nothing')).rejects.toMatchObject({ code: 'unimplemented' });
});

test('a call whose other side is gone fails, under way or new', async () => {
  const [left] = pair({}, { never: () => new Promise(() => undefined) });
  const waiting = left.call('never');
  left.close(new KilnError('unavailable', 'the worker died'));
  await expect(waiting).rejects.toMatchObject({ code: 'unavailable' });
  await expect(left.call('never')).rejects.toMatchObject({ message: 'the worker died' });
});

test('moved bytes leave the sender', async () => {
  const bytes = new Uint8Array([1, 2, 3]);
  const [left] = pair(
    {},
    {
      bytes: () => {
        const moved = movable(bytes);
        return new Moved({ inside: moved.value }, moved.transfer);
      },
    },
  );
  expect(await left.call('bytes')).toEqual({ inside: new Uint8Array([1, 2, 3]) });
  expect(bytes.byteLength).toBe(0);
});

test('no bytes at all are not moved: who keeps them may send them again', () => {
  const nothing = new Uint8Array(0);
  for (let time = 0; time < 2; time++) {
    const { value, transfer } = movable(nothing);
    expect(structuredClone(value, { transfer: transfer as ArrayBuffer[] })).toEqual(new Uint8Array(0));
  }
});

test('a view of a larger buffer is copied before it is moved', () => {
  const shared = new Uint8Array([9, 8, 7, 6]);
  const { value } = movable(shared.subarray(1, 3));
  expect([...value]).toEqual([8, 7]);
  expect(value.buffer.byteLength).toBe(2);
  const pooled = movable(Buffer.from([1, 2, 3]));
  expect(structuredClone(pooled.value, { transfer: pooled.transfer as ArrayBuffer[] })).toEqual(
    new Uint8Array([1, 2, 3]),
  );
});

test('a call that nobody waits for any more tells its handler, and ends when the handler does', async () => {
  const heard: unknown[] = [];
  const [left] = pair(
    {},
    {
      until: async (name: string, signal: AbortSignal) => {
        const { promise, resolve } = Promise.withResolvers<string>();
        signal.addEventListener('abort', () => {
          heard.push(signal.reason);
          resolve(`${name} stopped`);
        });
        return promise;
      },
      count: (...args: unknown[]) => args.length,
    },
  );
  const leaving = new AbortController();
  const call = left.callWith({ signal: leaving.signal }, 'until', 'a');
  leaving.abort(new KilnError('canceled', 'gone', { reason: 'left' }));
  expect(await call).toBe('a stopped');
  expect(heard).toMatchObject([{ name: 'KilnError', code: 'canceled', message: 'gone', reason: 'left' }]);
  await expect(left.callWith({ signal: leaving.signal }, 'until', 'b')).rejects.toThrow('gone');
  expect(await left.call('count', 1)).toBe(1); // without a signal the handler gets none
  const late = new AbortController();
  expect(await left.callWith({ signal: late.signal }, 'count', 1)).toBe(2);
  late.abort();
  expect(await left.call('count')).toBe(0);
});
