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
  /** Resolves with the signal's name when the user or the system asks to stop. */
  readonly stopAsked: Promise<string>;
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
  /** What `--help` prints below the synopsis. */
  help(): string;
  /**
   * Does it.
   * @returns the exit code.
   * @throws KilnError, ConfigError or Node's errors of files and sockets: main makes a sentence of them.
   */
  run(argv: readonly string[], terminal: Terminal): Promise<number>;
}

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
    this.#terminal.err(`\r\u001b[K${text.slice(0, Math.max(10, this.#terminal.columns - 1))}`);
  }

  end(): void {
    if (this.#shown) this.#terminal.err('\r\u001b[K');
    this.#shown = false;
  }
}
