import { crc32 } from 'node:zlib';
import { ManualClock, seededRandom } from '@kiln/async';
import { parseTenantId } from '@kiln/model';
import { memoryStore } from '@kiln/objstore';
import type { ToolsHttpPorts } from '../tools.http.ts';

export const NOW = 1_800_000_000_000;

/** What the services of tools stand on, in memory, with a clock that stands at `NOW`. */
export function toolPorts(): Pick<ToolsHttpPorts, 'catalog' | 'tenantOf' | 'limits' | 'admit'> {
  return {
    catalog: { objects: memoryStore(), crc32, clock: new ManualClock(NOW), random: seededRandom(7) },
    tenantOf: parseTenantId,
    limits: () => ({
      maxProfileSizeBytes: 1000,
      ingestionRateMb: 4,
      ingestionBurstSizeMb: 0,
      maxGlobalSeriesPerTenant: 500,
    }),
    admit: () => undefined,
  };
}
