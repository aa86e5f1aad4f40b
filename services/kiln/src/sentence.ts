import { ConfigError } from '@kiln/config';
import { diskTrouble } from '@kiln/disk';
import { KilnError } from '@kiln/model';

/** What went wrong, for a person: one sentence; the stack only where nobody expected the error. */
export function sentenceOf(thrown: unknown): string {
  if (thrown instanceof KilnError && thrown.code !== 'internal') return thrown.message;
  if (thrown instanceof ConfigError) return thrown.message;
  if (!(thrown instanceof Error)) return String(thrown);
  if (thrown.name === 'CorruptDataError') return thrown.message;
  const { code, path, address, port } = thrown as NodeJS.ErrnoException & { address?: string; port?: number };
  const where = address === undefined ? `port ${port}` : `${address}:${port}`;
  switch (code) {
    case 'EADDRINUSE':
      return `${where} is taken by another process: stop it, or start with another --port`;
    case 'EADDRNOTAVAIL':
      return `${address} is no address of this machine: set --server.http-listen-address to one that is`;
    case 'EACCES':
    case 'EPERM':
      if (port !== undefined)
        return `${where} may not be opened by this user: ports below 1024 are reserved, start with another --port`;
      break;
    case 'ENOENT':
      if (path !== undefined) return `there is no ${path}`;
      break;
    case 'EISDIR':
      if (path !== undefined) return `${path} is a folder, not a file`;
      break;
    case undefined:
    default:
  }
  if (code !== undefined && path !== undefined) return diskTrouble(thrown, path);
  return thrown.stack ?? thrown.message;
}
