import { parentPort, workerData } from 'node:worker_threads';
import { PortRpc } from '../port-rpc.ts';

const rpc = new PortRpc(parentPort!, {
  echo: async (text: string) => `${workerData as string} ${text} ${String(await rpc.call('name'))}`,
  die: () => {
    setImmediate(() => {
      throw new Error('as told');
    });
    return new Promise(() => undefined);
  },
  spin: () => {
    for (;;);
  },
});
