import { parentPort, workerData } from 'node:worker_threads';
import { seededRandom, systemClock } from '@kiln/async';
import { Placer, ProfileReader, type WriteCall, type WriteLimits } from '@kiln/distributor';
import { nodeCodecs } from '@kiln/ingester';
import { Moved, movable, PortRpc, profileThread } from '@kiln/threads';
import type { WriteSetup } from './write-threads.ts';

/** A thread that reads pushes: an edge. It holds nothing; limits come with each request, records go back, and the main thread knows which series are active. */
const setup = workerData as WriteSetup;
const clock = systemClock();
/** By their text. */
const known = new Map<string, WriteLimits>();
const MAX_KNOWN = 1_000;
const rpc = new PortRpc(parentPort!, {
  async read(call: WriteCall, limits: string) {
    const reading = await reader.read(call, limitsOf(limits));
    const moved = reading.records.map(({ record }) => movable(record));
    const records = reading.records.map(({ partition }, i) => ({ partition, record: moved[i]!.value }));
    return new Moved(
      { ...reading, records },
      moved.flatMap(({ transfer }) => transfer),
    );
  },
});

const reader = new ProfileReader({
  placer: new Placer({ ...setup, codecs: nodeCodecs, clock }),
  series: { admit: (...asked) => rpc.call('series.admit', ...asked) as Promise<Uint8Array> },
  random: seededRandom(setup.seed),
  clock,
});
profileThread('write', clock);

/** Limits as they came with a push. They are the same until somebody changes them. */
function limitsOf(text: string): WriteLimits {
  const found = known.get(text);
  if (found !== undefined) return found;
  const limits = JSON.parse(text) as WriteLimits;
  if (known.size >= MAX_KNOWN) known.clear();
  known.set(text, limits);
  return limits;
}
