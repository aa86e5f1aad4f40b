import { totalmem } from 'node:os';

/**
 * Bytes of memory that this process may use: the machine's, or its container's where that is less.
 * @param container as Node reports it: 0 or a huge number when nothing constrains the process.
 */
export function memoryLimitBytes(
  machine: number = totalmem(),
  container: number = process.constrainedMemory(),
): number {
  return container > 0 ? Math.min(machine, container) : machine;
}
