import type { Random } from '@kiln/async';
import { systemClock } from '@kiln/async';
import { KilnError } from '@kiln/model';
import { getRandomValues } from 'node:crypto';
import { parentPort, workerData } from 'node:worker_threads';
import { Budget } from '../budget.ts';
import type { Question } from '../partition-answer.ts';
import { Partition } from '../partition.ts';
import { nodeCodecs } from './node-codecs.ts';
import { Moved, movable, PortRpc, profileThread } from '@kiln/threads';
import { remoteLog } from './remote-log.ts';
import { remoteStore } from './remote-store.ts';
import type { WorkerSetup } from './worker-setup.ts';

/** The thread that some partitions live in: an edge. The main thread keeps the adapters and is asked over the port. */
const setup = workerData as WorkerSetup;
const partitions = new Map<number, Partition>();

const rpc = new PortRpc(parentPort!, {
  async answer(slot: number, question: Question) {
    const answer = await of(slot).answer(question);
    const partial = movable(answer.partial);
    return new Moved({ ...answer, partial: partial.value }, partial.transfer);
  },
  ping: () => undefined,
  status: (slot: number) => of(slot).status(),
  async stop(cut: boolean) {
    await Promise.all([...partitions.values()].map((partition) => partition.stop(cut)));
  },
});

const budget = Budget.attach(setup.budget);
const clock = systemClock();
const objects = remoteStore(rpc);
profileThread('partition', clock);

for (const { slot, logId, partition } of setup.places) {
  partitions.set(
    slot,
    new Partition({
      log: remoteLog(rpc, slot, logId, partition),
      objects,
      codecs: nodeCodecs,
      clock,
      random: cryptoRandom(),
      budget,
      slot,
      cuts: setup.cuts,
      writer: setup.writer,
      killPoint: (step) => {
        if (step === setup.dieAt) process.kill(process.pid, 'SIGKILL');
      },
    }),
  );
}
for (const partition of partitions.values()) partition.start();

function of(slot: number): Partition {
  const partition = partitions.get(slot);
  if (partition === undefined) throw new KilnError('internal', `no partition in slot ${slot} of this worker`);
  return partition;
}

function cryptoRandom(): Random {
  const words = new Uint32Array(2);
  return () => {
    getRandomValues(words);
    return (words[0]! * 2 ** 21 + (words[1]! >>> 11)) / 2 ** 53;
  };
}
