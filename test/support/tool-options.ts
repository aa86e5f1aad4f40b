/** What the tests of this file replace. */
export interface ToolPorts {
  readonly args: readonly string[];
  readonly write: (to: 'stdout' | 'stderr', text: string) => void;
  readonly exit: (code: number) => never;
}

const processPorts: ToolPorts = {
  args: process.argv.slice(2),
  write: (to, text) => process[to].write(text),
  exit: (code) => process.exit(code),
};

/** The flags of `./kiln test`, `bench` and `sim`. What a tool has not in its help it does not take: a run of minutes begins only when it was meant. */
export class ToolOptions {
  readonly #tool: string;
  readonly #ports: ToolPorts;
  /** What is no flag and no number of one. */
  readonly words: readonly string[];

  /**
   * Prints the help and ends where it is asked for; ends with code 2 at a flag that it does not name.
   * @param help a line for each flag: spaces, the flag, N where it takes a whole number, what it does.
   */
  constructor(tool: string, help: string, ports: ToolPorts = processPorts) {
    this.#tool = tool;
    this.#ports = ports;
    const { args } = ports;
    if (args.includes('--help') || args.includes('-h')) {
      ports.write('stdout', help);
      ports.exit(0);
    }
    const flags = new Map(
      [...help.matchAll(/^ +(--[a-z-]+)( N)?/gm)].map(([, flag, number]) => [flag!, number !== undefined]),
    );
    const words: string[] = [];
    for (let i = 0; i < args.length; i++) {
      const arg = args[i]!;
      if (!arg.startsWith('-')) words.push(arg);
      else if (!flags.has(arg)) this.#refuse(`unknown flag ${arg}: there are ${[...flags.keys()].join(', ')}`);
      else if (flags.get(arg) === true) i++;
    }
    this.words = words;
  }

  /** A tool without words. */
  noWords(): this {
    const [word] = this.words;
    if (word !== undefined) this.#refuse(`it takes no words, found ${JSON.stringify(word)}`);
    return this;
  }

  has(flag: string): boolean {
    return this.#ports.args.includes(flag);
  }

  number(flag: string, otherwise: number, least: number): number {
    const at = this.#ports.args.indexOf(flag);
    if (at < 0) return otherwise;
    const value = Number(this.#ports.args[at + 1] ?? Number.NaN);
    if (Number.isInteger(value) && value >= least) return value;
    return this.#refuse(`${flag} takes a whole number from ${least} on`);
  }

  #refuse(sentence: string): never {
    this.#ports.write('stderr', `kiln ${this.#tool}: ${sentence}\n`);
    return this.#ports.exit(2);
  }
}
