// Loaded into a server by --import: how late its main thread is, written to the file KILN_BENCH_DELAY at each SIGUSR2, then counted anew.
import { writeFileSync } from 'node:fs';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { isMainThread } from 'node:worker_threads';

const file = process.env['KILN_BENCH_DELAY'];
if (isMainThread && file !== undefined) {
  const delay = monitorEventLoopDelay({ resolution: 1 });
  delay.enable();
  process.on('SIGUSR2', () => {
    writeFileSync(
      file,
      JSON.stringify({ p999: delay.percentile(99.9) / 1e6, max: delay.max / 1e6, count: delay.count }),
    );
    delay.reset();
  });
}
