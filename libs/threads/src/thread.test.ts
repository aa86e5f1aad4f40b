import { expect, onTestFinished, test } from 'vitest';
import { systemClock } from '@kiln/async';
import { silentLogger } from '@kiln/telemetry';
import { Thread } from './thread.ts';

function start(): Thread {
  const thread = new Thread({
    name: 'echo',
    entry: new URL('test-support/echo.worker.ts', import.meta.url),
    data: 'hello',
    handlers: { name: () => 'main' },
    clock: systemClock(),
    log: silentLogger,
  });
  onTestFinished(() => thread.stop());
  return thread;
}

test('a thread answers, and asks back', async () => {
  const thread = start();
  const calls = [thread.call({}, 'echo', 'a'), thread.call({}, 'echo', 'b')];
  expect(thread.underWay).toBe(2);
  expect(await Promise.all(calls)).toEqual(['hello a main', 'hello b main']);
  expect(thread.underWay).toBe(0);
});

test('one that dies fails its calls in a sentence and comes back by itself', async () => {
  const thread = start();
  const waiting = [thread.call({}, 'die'), thread.call({}, 'die')];
  for (const call of waiting)
    await expect(call).rejects.toMatchObject({
      code: 'unavailable',
      message: 'the echo thread is not running: as told',
      retryAfterSeconds: 1,
    });
  await expect(thread.call({}, 'echo', 'a')).rejects.toMatchObject({ code: 'unavailable' });
  await expect
    .poll(() => thread.call({}, 'echo', 'again').catch(() => ''), { timeout: 10_000 })
    .toBe('hello again main');
});

test('one that is stopped ends at once, whatever it does', async () => {
  const thread = start();
  await thread.call({}, 'echo', 'a');
  const spinning = thread.call({}, 'spin');
  await Promise.all([expect(spinning).rejects.toMatchObject({ code: 'unavailable' }), thread.stop()]);
});
