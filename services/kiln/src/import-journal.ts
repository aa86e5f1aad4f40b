import { createHash } from 'node:crypto';
import { open, readFile, type FileHandle } from 'node:fs/promises';

/** One file as one tenant at one server: what an import does once. */
export interface Imported {
  readonly url: string;
  readonly tenant: string;
  /** The series that it went to, as text. */
  readonly labels: string;
  /** SHA-256 of the decompressed file, hex. */
  readonly digest: string;
}

/** What was imported already: a line of text each, written through to the disk before the next file is sent. */
export class ImportJournal {
  readonly #known: Set<string>;
  readonly #file: FileHandle;

  private constructor(known: Set<string>, file: FileHandle) {
    this.#known = known;
    this.#file = file;
  }

  /** Opens or makes it. A last line that was cut short is not believed. */
  static async open(path: string): Promise<ImportJournal> {
    // Before it is read: it may be new, and of a folder only opening it says which.
    const file = await open(path, 'a');
    const lines = (await readFile(path, 'utf8')).split('\n');
    const torn = lines.pop() !== '';
    if (torn) await file.appendFile('\n');
    return new ImportJournal(new Set(lines), file);
  }

  has(imported: Imported): boolean {
    return this.#known.has(lineOf(imported));
  }

  async add(imported: Imported): Promise<void> {
    const line = lineOf(imported);
    await this.#file.appendFile(`${line}\n`);
    await this.#file.sync();
    this.#known.add(line);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#file.close();
  }
}

/** The digest of what is imported. */
export function digestOf(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

function lineOf({ digest, url, tenant, labels }: Imported): string {
  return JSON.stringify([digest, url, tenant, labels]);
}
