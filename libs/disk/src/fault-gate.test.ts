import { expect, test } from 'vitest';
import { FaultGate, randomFaults, type Fault } from './fault-gate.ts';

test('an error before has no effect, an error after has one', async () => {
  const faults: Record<string, Fault> = { one: { before: new Error('no') }, two: { after: new Error('late') } };
  const gate = new FaultGate<string>((call) => faults[call]);
  const done: string[] = [];
  const call = (name: string): Promise<string> =>
    gate.run(name, async () => {
      done.push(name);
      return name;
    });
  await expect(call('one')).rejects.toThrow('no');
  await expect(call('two')).rejects.toThrow('late');
  expect(await call('three')).toBe('three');
  expect(done).toEqual(['two', 'three']);
});

test('a call is overtaken by so many, or by none when there is nobody', async () => {
  const gate = new FaultGate<number>((call) => (call === 0 ? { overtakenBy: 2 } : undefined));
  const order: number[] = [];
  const call = (n: number): Promise<void> =>
    gate.run(n, async () => {
      await new Promise(setImmediate);
      order.push(n);
    });
  await Promise.all([0, 1, 2, 3, 4].map(call));
  expect(order[0]).not.toBe(0);
  expect(order).toHaveLength(5);
  await call(0);
  await Promise.all([call(0), call(0)]);
  expect(order).toHaveLength(8);
});

test('a delay sleeps first, and needs a sleep', async () => {
  const slept: number[] = [];
  const gate = new FaultGate<number>(
    () => ({ delayMs: 7 }),
    async (ms) => void slept.push(ms),
  );
  await gate.run(1, async () => {});
  expect(slept).toEqual([7]);
  await expect(new FaultGate<number>(() => ({ delayMs: 7 })).run(1, async () => {})).rejects.toThrow('needs a sleep');
});

test('trouble by chance comes as often as it is asked for, and the same for a seed', () => {
  const draw = (): (Fault | undefined)[] => {
    const plan = randomFaults(seededRandom(1), { before: 0.1, after: 0.2, overtaken: 0.5 }, () => new Error('x'));
    return Array.from({ length: 1_000 }, () => plan(undefined));
  };
  const faults = draw();
  const share = (key: keyof Fault): number => faults.filter((fault) => fault?.[key] !== undefined).length / 1_000;
  expect(share('before')).toBeCloseTo(0.1, 1);
  expect(share('after')).toBeCloseTo(0.2, 1);
  expect(share('overtakenBy')).toBeCloseTo(0.5, 1);
  expect(draw().map((fault) => fault?.overtakenBy)).toEqual(faults.map((fault) => fault?.overtakenBy));
});

/** Any good sequence; @kiln/async has the one for others, this package stands on nothing. */
function seededRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
