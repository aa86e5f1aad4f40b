import { totalmem } from 'node:os';
import { compactorDefaults } from '@kiln/compactor';
import { ConfigError, formatBytes } from '@kiln/config';
import { distributorDefaults } from '@kiln/distributor';
import { ingesterDefaults } from '@kiln/ingester';
import { BYTES_PER_QUERY, queryFrontendDefaults } from '@kiln/query-frontend';
import type { StartConfig } from './settings.ts';

const MIB = 1024 * 1024;
/** Code, the main thread and what the allocators keep, and a thread with the young part of its heap: measured on an idle process, of 253 MiB with six threads. */
const MAIN_BYTES = 96 * MIB;
const THREAD_BYTES = 26 * MIB;
/** What work needs beside the process itself, at least: a query, and the shares of the others. */
const WORK_BYTES = 224 * MIB;
const LEAST_IN_FLIGHT_BYTES = MIB;

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

/** What the process holds when nothing is asked of it, bytes: an estimate by its threads. */
export function processBytes({ distributor, ingester, querier, compactor, storage }: StartConfig): number {
  const threads =
    distributor.threads + Math.min(ingester.workers, storage.partitions) + querier.threads + compactor.threads;
  return MAIN_BYTES + threads * THREAD_BYTES;
}

/**
 * The configuration with every bound of memory filled in that was left to Kiln: shares of what the ceiling leaves beside the process itself, a half
 * for heads, a quarter for queries, an eighth for merges, a thirteenth for bodies. What was set stays.
 * @param limitBytes that the process may use, for a ceiling that was not set.
 * @throws ConfigError for a ceiling that leaves no room to work, and bodies that could not be taken.
 */
export function withinMemory(config: StartConfig, limitBytes: number = memoryLimitBytes()): StartConfig {
  const { memory, distributor, ingester, compactor, queryFrontend } = config;
  const own = processBytes(config);
  const least = own + WORK_BYTES;
  if (memory.ceilingBytes !== 0 && memory.ceilingBytes < least)
    throw new ConfigError(
      `memory.ceiling is ${formatBytes(memory.ceilingBytes)}: with these threads the process itself takes about ${formatBytes(own)} and needs ${formatBytes(least)} at least`,
    );
  if (distributor.inFlightMaxBytes !== 0 && distributor.inFlightMaxBytes < LEAST_IN_FLIGHT_BYTES)
    throw new ConfigError(
      `distributor.in-flight-max-bytes is ${formatBytes(distributor.inFlightMaxBytes)}: at least ${formatBytes(LEAST_IN_FLIGHT_BYTES)}, or 0 for a share of memory.ceiling`,
    );
  const ceilingBytes = memory.ceilingBytes === 0 ? Math.max(least, Math.floor(limitBytes / 2)) : memory.ceilingBytes;
  const free = ceilingBytes - own;
  const part = (set: number, share: number, most: number): number =>
    set === 0 ? Math.min(most, Math.floor(free / share)) : set;
  return {
    ...config,
    memory: { ceilingBytes },
    ingester: { ...ingester, headMaxBytes: part(ingester.headMaxBytes, 2, ingesterDefaults.headMaxBytes) },
    distributor: {
      ...distributor,
      inFlightMaxBytes: part(distributor.inFlightMaxBytes, 16, distributorDefaults.inFlightMaxBytes),
    },
    compactor: { ...compactor, maxJobBytes: part(compactor.maxJobBytes, 64, compactorDefaults.maxJobBytes) },
    queryFrontend: {
      ...queryFrontend,
      maxConcurrent: Math.max(
        1,
        part(queryFrontend.maxConcurrent, 4 * BYTES_PER_QUERY, queryFrontendDefaults.maxConcurrent),
      ),
    },
  };
}
