import { parentPort, workerData } from 'node:worker_threads';
import { systemClock } from '@kiln/async';
import { Placer, ProfileReader, type WriteCall, type WriteLimits } from '@kiln/distributor';
import { nodeCodecs } from '@kiln/ingester';
import { Moved, movable, PortRpc, profileThread } from '@kiln/threads';
import type { WriteSetup } from './write-threads.ts';

/** A thread that reads pushes: an edge. It holds nothing; limits come with each request, records go back. */
const setup = workerData as WriteSetup;
const clock = systemClock();
const reader = new ProfileReader({ placer: new Placer({ ...setup, codecs: nodeCodecs, clock }), clock });

// Called by the port for as long as the thread lives.
void new PortRpc(parentPort!, {
  async read(call: WriteCall, limits: WriteLimits) {
    const reading = await reader.read(call, limits);
    const moved = reading.records.map(({ record }) => movable(record));
    const records = reading.records.map(({ partition }, i) => ({ partition, record: moved[i]!.value }));
    return new Moved(
      { ...reading, records },
      moved.flatMap(({ transfer }) => transfer),
    );
  },
});

profileThread('write', systemClock());
