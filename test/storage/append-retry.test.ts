import { seededRandom, systemClock } from '@kiln/async';
import { randomFaults } from '@kiln/disk';
import { KilnError, labelSet, type TenantId } from '@kiln/model';
import { memoryStore } from '@kiln/objstore';
import { faultyLog, memoryLog } from '@kiln/partition-log';
import { finishQuery, mergePartials } from '@kiln/query';
import { noMetrics, noTelemetry } from '@kiln/telemetry';
import { setTimeout } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { Distributor } from '../../services/distributor/src/distributor.ts';
import { Placer, type Accepted } from '../../services/distributor/src/placer.ts';
import { ingesterDefaults } from '../../services/ingester/src/config.ts';
import { Ingester } from '../../services/ingester/src/ingester.ts';
import { profileOf } from '../../services/ingester/src/test-support/records.ts';
import { BY_MARK, marked } from '../../services/ingester/src/test-support/rig.ts';
import { nodeCodecs } from '../../services/ingester/src/worker/node-codecs.ts';

const TENANT = 'ann' as TenantId;

/** A profile in whole seconds: only chance makes its id. */
function wholeSecond(mark: string, value: number): Accepted {
  const profile = profileOf(marked(mark, value, { service: `shop-${mark}` }));
  const labels = labelSet([
    { name: 'service_name', value: profile.service },
    { name: 'mark', value: mark },
  ]);
  return { profile, labels, ownTimeNanos: 0n, payload: new Uint8Array(1), clientId: '' };
}

test('a push of several partitions whose appends fail, with and without effect, is acknowledged and counts once, also without ids of its own', async () => {
  const clock = systemClock();
  const log = memoryLog({ partitions: 4, clock });
  const logs = await Promise.all([0, 1, 2, 3].map((partition) => log.open(partition)));
  const chance = randomFaults(
    seededRandom(3),
    { before: 0.3, after: 0.4 },
    () => new KilnError('unavailable', 'disk in trouble'),
  );
  const troubled = faultyLog(log, (call) => (call.operation === 'append' ? chance(call) : undefined));
  const distributor = new Distributor({
    logs: await Promise.all([0, 1, 2, 3].map((partition) => troubled.open(partition))),
    clock,
    random: seededRandom(4),
    metrics: noMetrics,
  });
  const placer = new Placer({ partitions: 4, codecs: nodeCodecs, compression: 'none', clock });
  const want: Record<string, number> = {};
  for (let push = 0; push < 10; push++) {
    const marks = Array.from({ length: 8 }, (_, i) => `m${push * 8 + i}`);
    const pushed = marks.map((mark, i) => wholeSecond(mark, push * 8 + i + 1));
    const written = await distributor.append(placer.place(TENANT, pushed, 4_260_000).records);
    expect(new Set(written.map((each) => each.log)).size).toBeGreaterThan(1);
    marks.forEach((mark, i) => (want[mark] = push * 8 + i + 1));
  }
  const ingester = new Ingester(
    { ...ingesterDefaults, workers: 0 },
    { logs, objects: memoryStore(), clock, random: seededRandom(5), telemetry: noTelemetry, writer: 'test' },
  );
  ingester.start();
  while ((await ingester.notReady()) !== undefined) await setTimeout(10);
  const from = logs.map(({ id, partition }) => ({ logId: id, partition, from: -1 }));
  const answers = await ingester.answer(TENANT, BY_MARK, from);
  const partial = mergePartials(
    BY_MARK,
    answers.map((answer) => answer.partial),
  );
  const found = finishQuery(BY_MARK, partial).map(({ labels, value }) => [labels[0]!.value, value[0]!]);
  expect(Object.fromEntries(found)).toEqual(want);
  const copies = (await ingester.status()).reduce((sum, { counts }) => sum + counts.copiesDropped, 0);
  expect(copies).toBeGreaterThan(20); // tries that had taken effect
  await ingester.stop();
});
