import { parentPort, workerData } from 'node:worker_threads';
import { systemClock } from '@kiln/async';
import { realDisk } from '@kiln/disk';
import { nodeCodecs } from '@kiln/ingester';
import { inspectDirectoryStore } from '@kiln/objstore';
import type { OwnerAnswer } from '@kiln/catalog';
import type { QueryCall } from '@kiln/query-frontend';
import { Moved, movable, PortRpc, profileThread } from '@kiln/threads';
import type { QuerySetup } from './query-threads.ts';
import { QueryService, type LimitsByTenant } from './query-service.ts';

/** The thread that answers queries: an edge. It reads objects itself and asks the main thread for what the heads hold. */
const { objects } = workerData as QuerySetup;

const rpc = new PortRpc(parentPort!, {
  async answer(call: QueryCall, limits: LimitsByTenant, signal: AbortSignal) {
    const reply = await service.answer(call, limits, signal);
    const message = movable(reply.message);
    return new Moved({ ...reply, message: message.value }, message.transfer);
  },
});

const service = new QueryService({
  objects: inspectDirectoryStore({ disk: realDisk(), root: objects }),
  owners: { answer: (...asked) => rpc.call('owners.answer', ...asked) as Promise<readonly OwnerAnswer[]> },
  codecs: nodeCodecs,
  clock: systemClock(),
  leftOut: (gaps) => void rpc.call('leftOut', gaps).catch(() => undefined), // the main thread is gone: nobody is left to tell
});

profileThread('query', systemClock());
