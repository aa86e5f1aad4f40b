import { runCommandLine, type Terminal } from './index.ts';

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
  readonly #stop = Promise.withResolvers<string>();
  #err = '';
  #heard: () => void = () => undefined;

  /**
   * @param columns characters per line of its terminal.
   * @param headers of its environment.
   */
  constructor(argv: readonly string[], columns = 100, headers: readonly string[] = []) {
    const terminal: Terminal = {
      out: (text) => {
        this.#out.push(typeof text === 'string' ? Buffer.from(text) : Buffer.from(text));
        this.#heard();
      },
      err: (text) => void (this.#err += text),
      columns,
      isScreen: false,
      colours: false,
      showsProgress: false,
      command: './kiln',
      headers,
      stopAsked: this.#stop.promise,
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

  /** As Ctrl-C. */
  stop(): Promise<Ran> {
    this.#stop.resolve('SIGINT');
    return this.done;
  }
}

/** Runs a command line to its end. */
export function run(...argv: string[]): Promise<Ran> {
  return new Running(argv).done;
}
