import { systemClock } from '@kiln/async';
import { parentPort, workerData } from 'node:worker_threads';
import { buildBlocks, type BuildJob } from '@kiln/compactor';
import { realDisk } from '@kiln/disk';
import { nodeCodecs } from '@kiln/ingester';
import { inspectDirectoryStore } from '@kiln/objstore';
import { Moved, movable, PortRpc, profileThread } from '@kiln/threads';
import type { CompactSetup } from './compact-threads.ts';

/** A thread that builds blocks: an edge. It reads objects itself and writes none. */
const { objects } = workerData as CompactSetup;
const ports = { objects: inspectDirectoryStore({ disk: realDisk(), root: objects }), codecs: nodeCodecs };

// Called by the port for as long as the thread lives.
void new PortRpc(parentPort!, {
  async build(job: BuildJob) {
    const built = await buildBlocks(ports, job);
    const moved = built.blocks.map(({ bytes }) => movable(bytes));
    const blocks = built.blocks.map((block, i) => ({ ...block, bytes: moved[i]!.value }));
    return new Moved(
      { ...built, blocks },
      moved.flatMap(({ transfer }) => transfer),
    );
  },
});

profileThread('compact', systemClock());
