import { expect, test } from 'vitest';
import { BOB, Stage } from './stage.ts';
import { HOUR, MINUTE } from './world.ts';

test('T passes nothing that a tenant of it has not in blocks yet, however long that takes', async () => {
  const stage = await Stage.open();
  await stage.start();
  await stage.push(3);
  await stage.cut();
  // The index of one tenant cannot be written for hours.
  stage.world.plan = (operation, key) =>
    operation.startsWith('put') && key === `tenants/${BOB}/index` ? 'before' : undefined;
  for (let i = 0; i < 3; i++) {
    await stage.compact();
    await stage.world.clock.advance(2 * HOUR);
    await stage.push(1);
    await stage.cut();
    await stage.exact();
  }
  stage.world.plan = undefined;
  await stage.compact();
  await stage.exact();
  await stage.compact();
  await stage.exact();
  expect(stage.world.tally.of('trims')).toBeGreaterThan(0);
});

test('what is in blocks keeps its ids for two hours: a copy that an owner meets who has just started counts once', async () => {
  const stage = await Stage.open();
  const { life } = await stage.start();
  const sent = await stage.push(3);
  await stage.cut();
  await stage.push(1);
  await stage.cut();
  await stage.compact();
  life.die();
  await stage.world.clock.advance(30 * MINUTE);
  await stage.start();
  for (const mark of sent) await stage.world.clock.run(stage.clients.push([mark]));
  await stage.exact();
  expect(sent.map(({ kept }) => kept)).toEqual(sent.map(() => 1));
});
