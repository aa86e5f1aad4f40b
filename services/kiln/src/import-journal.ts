import { createHash } from 'node:crypto';
import { open, readFile, type FileHandle } from 'node:fs/promises';
import { dirname } from 'node:path';
import { realDisk } from '@kiln/disk';

/** One file as one tenant at one server: what an import does once. */
export interface Imported {
  readonly url: string;
  readonly tenant: string;
  /** The series that it went to, as text. */
  readonly labels: string;
  /** SHA-256 of the decompressed file, hex. */
  readonly digest: string;
}

/**
 * What was imported already, and what began to be: a line of text each, written through to the disk before a file is sent and when it was answered. Of a
 * file that began and did not end nobody knows whether it is stored.
 */
export class ImportJournal {
  readonly #known = new Set<string>();
  /** When the sending of those began that have not ended, Unix milliseconds. */
  readonly #begun = new Map<string, number>();
  readonly #file: FileHandle;

  private constructor(file: FileHandle) {
    this.#file = file;
  }

  /** Opens or makes it. A last line that was cut short is not believed. */
  static async open(path: string): Promise<ImportJournal> {
    // Before it is read: it may be new, and of a folder only opening it says which.
    const file = await open(path, 'a');
    await realDisk().syncDir(dirname(path)); // or a new one is lost with the machine, whatever is written through into it
    const lines = (await readFile(path, 'utf8')).split('\n');
    const torn = lines.pop() !== '';
    if (torn) await file.appendFile('\n');
    const journal = new ImportJournal(file);
    for (const line of lines) journal.#learn(withoutSlash(line));
    return journal;
  }

  has(imported: Imported): boolean {
    return this.#known.has(lineOf(imported));
  }

  /** Since when a file that did not end is being sent, Unix milliseconds; undefined when nothing of it was. */
  begunMs(imported: Imported): number | undefined {
    return this.#begun.get(lineOf(imported));
  }

  /** To be called before it is sent. */
  async begin(imported: Imported, nowMs: number): Promise<void> {
    if (!this.#begun.has(lineOf(imported))) await this.#write(`${BEGUN}${nowMs} ${lineOf(imported)}`);
  }

  /** The server has it. */
  async add(imported: Imported): Promise<void> {
    await this.#write(lineOf(imported));
  }

  /** The server has not got it: it was refused, or nothing was sent. */
  async drop(imported: Imported): Promise<void> {
    await this.#write(`${DROPPED}${lineOf(imported)}`);
  }

  async #write(line: string): Promise<void> {
    await this.#file.appendFile(`${line}\n`);
    await this.#file.sync();
    this.#learn(line);
  }

  #learn(line: string): void {
    if (line.startsWith(BEGUN)) {
      const [at] = line.slice(BEGUN.length).split(' ', 1);
      this.#begun.set(line.slice(BEGUN.length + at!.length + 1), Number(at));
    } else if (line.startsWith(DROPPED)) this.#begun.delete(line.slice(DROPPED.length));
    else {
      this.#known.add(line);
      this.#begun.delete(line);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#file.close();
  }
}

const BEGUN = 'begun ';
const DROPPED = 'dropped ';

/** The digest of what is imported. */
export function digestOf(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

function lineOf({ digest, url, tenant, labels }: Imported): string {
  return JSON.stringify([digest, url, tenant, labels]);
}

/** A line as it is written now: those of before kept a `/` at the end of an address. */
function withoutSlash(line: string): string {
  return line.replace(/^([^[]*\["[0-9a-f]*","[^"]*?)\/+"/, '$1"');
}
