// Loaded into every thread of a server by --import: at each SIGUSR2 the process ceases to profile itself, or goes on with it. A thread is profiled when it
// has used enough CPU since; while it is off the CPU that it is told stands still, and what it used meanwhile is never told.
import { BroadcastChannel, isMainThread } from 'node:worker_threads';

const read = process.threadCpuUsage.bind(process);
const micros = () => {
  const { user, system } = read();
  return user + system;
};
let skipped = 0;
let stopped;
process.threadCpuUsage = () => ({ user: (stopped ?? micros()) - skipped, system: 0 });

function turn() {
  if (stopped === undefined) {
    stopped = micros();
  } else {
    skipped += micros() - stopped;
    stopped = undefined;
  }
}

const channel = new BroadcastChannel('kiln.bench.self');
channel.unref();
channel.addEventListener('message', turn);
if (isMainThread) {
  process.on('SIGUSR2', () => {
    turn();
    channel.postMessage('turn');
  });
}
