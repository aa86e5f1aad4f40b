import { once } from 'node:events';

/** Where a command writes, and what it knows of the screen and the environment. The real one is made in main. */
export interface Terminal {
  /** The result of the command. */
  out(text: string | Uint8Array): void;
  /** What happens meanwhile, and errors. */
  err(text: string): void;
  /** Characters per line. */
  readonly columns: number;
  /** Whether `out` is a screen. */
  readonly isScreen: boolean;
  /** Whether colours are wanted on `out`. */
  readonly colours: boolean;
  /** Whether `err` is a screen, where a line can be written over. */
  readonly showsProgress: boolean;
  /** How the user called the program, to be pasted again: `./kiln`. */
  readonly command: string;
  /** Headers, `Name: value`, that the environment adds to whatever a server is asked. */
  readonly headers: readonly string[];
  /** Aborts with a `Stopped` for its reason when the user or the system asks to stop. */
  readonly stop: AbortSignal;
}

/** Why a command ends before its end. */
export class Stopped extends Error {
  readonly signal: 'SIGINT' | 'SIGTERM';
  /** As shells have it for a program that a signal ended: 128 and the signal's number. */
  readonly exitCode: number;

  constructor(signal: 'SIGINT' | 'SIGTERM') {
    super(`stopped by ${signal}`);
    this.signal = signal;
    this.exitCode = signal === 'SIGINT' ? 130 : 143;
  }
}

/** Resolves when the user or the system asks to stop. */
export async function stopAsked({ stop }: Pick<Terminal, 'stop'>): Promise<Stopped> {
  if (!stop.aborted) await once(stop, 'abort');
  return stop.reason as Stopped;
}

/** The result of `work`, unless a stop is asked for first. @throws Stopped then; the work is left to itself. */
export function unlessStopped<T>(work: Promise<T>, terminal: Pick<Terminal, 'stop'>): Promise<T> {
  const stopped = stopAsked(terminal).then((why): never => {
    throw why;
  });
  return Promise.race([work, stopped]);
}

/** One word of the command line. */
export interface Command {
  readonly name: string;
  /** What follows the name: `FILE… [--label k=v]`. */
  readonly synopsis: string;
  /** One line for the list of commands. */
  readonly summary: string;
  /** A line to paste, without the program's name; every command or action has one. */
  readonly example?: string;
  /** The words that may follow it, where each has flags of its own: `query types`. */
  readonly actions?: readonly Command[];
  /** It sees to `Terminal.stop` itself; any other is ended by it at once. */
  readonly stopsItself?: boolean;
  /** What `--help` prints below the synopsis. */
  help(): string;
  /**
   * Does it.
   * @returns the exit code.
   * @throws Stopped when it ended early because it was asked to; KilnError, ConfigError or Node's errors of files and sockets: main makes a sentence of them.
   */
  run(argv: readonly string[], terminal: Terminal): Promise<number>;
}

/** Takes back the line that the cursor of a screen is in. */
export const CLEAR_LINE = '\r\u001b[K';

/** A line that counts while long work goes on, on a screen; nothing elsewhere. */
export class Progress {
  readonly #terminal: Terminal;
  #shown = false;

  constructor(terminal: Terminal) {
    this.#terminal = terminal;
  }

  show(text: string): void {
    if (!this.#terminal.showsProgress) return;
    this.#shown = true;
    this.#terminal.err(`${CLEAR_LINE}${text.slice(0, Math.max(10, this.#terminal.columns - 1))}`);
  }

  end(): void {
    if (this.#shown) this.#terminal.err(CLEAR_LINE);
    this.#shown = false;
  }
}
