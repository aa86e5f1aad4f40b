import { writeFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { ConfigError } from '@kiln/config';
import { KilnError } from '@kiln/model';
import type { Terminal } from '../terminal.ts';

/** A terminal whose results go into a file, or, with no name for it, `terminal` itself. The rest is still told there. */
export function intoFile(file: string, terminal: Terminal): Terminal {
  if (file === '') return terminal;
  let isBegun = false;
  const out = (text: string | Uint8Array): void => {
    writeFileSync(file, text, { flag: isBegun ? 'a' : 'w' });
    if (!isBegun) terminal.err(`wrote ${file}\n`);
    isBegun = true;
  };
  return { ...terminal, out, columns: FILE_COLUMNS, isScreen: false, colours: false };
}

/** Characters per line of what is drawn for a file. */
const FILE_COLUMNS = 120;

/**
 * Writes what was asked for into the file, or, with no name for it, to the terminal.
 * @throws ConfigError for bytes on a screen, KilnError when there is no folder to write into.
 */
export async function writeResult(result: string | Uint8Array, file: string, terminal: Terminal): Promise<void> {
  if (file === '') {
    if (typeof result !== 'string' && terminal.isScreen)
      throw new ConfigError('pprof is no text for a screen: name a file with -o cpu.pb.gz');
    terminal.out(result);
    return;
  }
  try {
    await writeFile(file, result);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    throw new KilnError('invalid_argument', `${file} cannot be written: there is no folder ${dirname(file)}`, {
      cause: error,
    });
  }
  terminal.err(`wrote ${file}\n`);
}
