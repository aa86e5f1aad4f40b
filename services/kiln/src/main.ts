import { writeSync } from 'node:fs';
import { runCommandLine } from './command-line.ts';
import { CLEAR_LINE, Stopped, type Terminal } from './terminal.ts';

/** The real screen. Writes are synchronous, so that nothing is lost when the process exits. */
function realTerminal(): Terminal {
  const showsProgress = process.stderr.isTTY && process.env['TERM'] !== 'dumb';
  const asked = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.on(signal, () => {
      const stopped = new Stopped(signal);
      // A second signal ends the process at once: the first one may be waiting for a slow client.
      if (asked.signal.aborted) {
        if (showsProgress) write(2, CLEAR_LINE);
        process.exit(stopped.exitCode);
      }
      asked.abort(stopped);
    });
  }
  return {
    out: (text) => write(1, text),
    err: (text) => write(2, text),
    columns: process.stdout.columns ?? process.stderr.columns ?? 100,
    isScreen: process.stdout.isTTY,
    colours: process.stdout.isTTY && process.env['NO_COLOR'] === undefined && process.env['TERM'] !== 'dumb',
    showsProgress,
    command: process.env['KILN_COMMAND'] ?? './kiln',
    headers: (process.env['KILN_HEADERS'] ?? '').split(/\r?\n/).filter((line) => line.trim() !== ''),
    stop: asked.signal,
  };
}

function write(fd: number, text: string | Uint8Array): void {
  let rest: Uint8Array = typeof text === 'string' ? new TextEncoder().encode(text) : text;
  while (rest.length > 0) {
    try {
      rest = rest.subarray(writeSync(fd, rest));
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code;
      // The reader of a pipe is slow (EAGAIN) or gone (EPIPE: `kiln query … | head`).
      if (code === 'EPIPE') process.exit(0);
      if (code !== 'EAGAIN') throw error;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5);
    }
  }
}

// Ends now, whatever still holds the event loop: everything is closed or has been given up.
process.exit(await runCommandLine(process.argv.slice(2), realTerminal()));
