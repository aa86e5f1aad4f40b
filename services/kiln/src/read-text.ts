import { readFile } from 'node:fs/promises';

/**
 * A whole text file.
 * @throws Node's error, which names the file also where Node does not: a folder can be opened, and the read that then fails knows no name.
 */
export async function readText(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    throw Object.assign(error as NodeJS.ErrnoException, { path });
  }
}
