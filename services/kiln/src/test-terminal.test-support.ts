import { runCommandLine, type Terminal } from './index.ts';
import { Stopped } from './terminal.ts';

/** What a command line printed and returned. */
export interface Ran {
  readonly code: number;
  readonly out: string;
  readonly err: string;
  readonly bytes: Buffer;
}

/** A command line in this process, that writes to memory and can be asked to stop. */
export class Running {
  readonly done: Promise<Ran>;
  readonly #out: Buffer[] = [];
  readonly #stop = new AbortController();
  #err = '';
  #heard: () => void = () => undefined;

  /** @param own what its terminal has another of than the rest. */
  constructor(argv: readonly string[], own: Partial<Pick<Terminal, 'columns' | 'headers' | 'showsProgress'>> = {}) {
    const terminal: Terminal = {
      out: (text) => {
        this.#out.push(typeof text === 'string' ? Buffer.from(text) : Buffer.from(text));
        this.#heard();
      },
      err: (text) => void (this.#err += text),
      columns: 100,
      isScreen: false,
      colours: false,
      showsProgress: false,
      command: './kiln',
      headers: [],
      stop: this.#stop.signal,
      ...own,
    };
    this.done = runCommandLine(argv, terminal).then((code) => ({
      code,
      out: this.out,
      err: this.#err,
      bytes: Buffer.concat(this.#out),
    }));
  }

  get out(): string {
    return Buffer.concat(this.#out).toString();
  }

  get err(): string {
    return this.#err;
  }

  /** Resolves when `pattern` was printed; rejects when the command ends without it. */
  async printed(pattern: RegExp): Promise<RegExpExecArray> {
    for (;;) {
      const found = pattern.exec(this.out);
      if (found !== null) return found;
      const more = new Promise<undefined>((resolve) => (this.#heard = () => resolve(undefined)));
      const ended = await Promise.race([more, this.done]);
      if (ended !== undefined) throw new Error(`ended with ${ended.code}: ${ended.out}${ended.err}`);
    }
  }

  /** As Ctrl-C, or `kill`. */
  stop(signal: Stopped['signal'] = 'SIGINT'): Promise<Ran> {
    this.#stop.abort(new Stopped(signal));
    return this.done;
  }
}

/** Runs a command line to its end. */
export function run(...argv: string[]): Promise<Ran> {
  return new Running(argv).done;
}
