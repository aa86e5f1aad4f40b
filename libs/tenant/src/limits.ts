import type { SettingsFor } from '@kiln/config';
import type { TenantId } from '@kiln/model';
import { DAY_MS, limit, MIB } from './limit.ts';
import { readLimitSettings, type TenantReadLimits } from './read-limits.ts';
import { writeLimitSettings, type TenantWriteLimits } from './write-limits.ts';

/** The limits of one tenant. */
export interface Limits extends TenantWriteLimits, TenantReadLimits {
  readonly retentionPeriodMs: number;
  readonly maxStoredBytes: number;
}

/** Every limit of a tenant: name, flag, default, meaning. */
export const limitSettings: SettingsFor<Limits> = {
  ...writeLimitSettings,
  ...readLimitSettings,
  retentionPeriodMs: limit('retention_period', {
    key: 'retention-period',
    type: 'duration',
    default: 30 * DAY_MS,
    meaning:
      'How long profiles are kept; older ones are neither accepted nor answered, and are deleted within hours. 0 = for ever',
  }),
  maxStoredBytes: limit('max_stored_bytes', {
    key: 'storage.max-stored-bytes',
    type: 'bytes',
    default: 0,
    meaning:
      'Bytes of objects that one tenant may have stored; above it its pushes are refused with 503, or its oldest data goes (storage.when-full). 0 = unlimited',
  }),
};

/** The limits of any tenant, as they are now. */
export type LimitsOf = (tenant: TenantId) => Limits;

/** What holds when nobody sets anything. */
export const defaultLimits: Limits = Object.freeze(
  Object.fromEntries(Object.entries(limitSettings).map(([name, one]) => [name, one.default])),
) as unknown as Limits;

/** Bytes of a body at most; 0 = unlimited. */
export function bodyLimitBytes(limits: Limits): number {
  return Math.ceil(limits.ingestionBodyLimitMb * MIB);
}

/** For how long after its append anybody may ask for a row: its time may lie ahead of that. Infinity = for ever. */
export function reachMs({ retentionPeriodMs, rejectNewerThanMs }: Limits): number {
  return retentionPeriodMs === 0 || rejectNewerThanMs === 0 ? Infinity : retentionPeriodMs + rejectNewerThanMs;
}

/** How old a profile may be to be accepted, and by which limit: what is past the retention would never be answered. 0 = any age. */
export function acceptedAge({ rejectOlderThanMs, retentionPeriodMs }: Limits): {
  readonly ms: number;
  readonly by: 'reject_older_than' | 'retention_period';
} {
  const isRetention = retentionPeriodMs > 0 && (rejectOlderThanMs === 0 || retentionPeriodMs < rejectOlderThanMs);
  return isRetention
    ? { ms: retentionPeriodMs, by: 'retention_period' }
    : { ms: rejectOlderThanMs, by: 'reject_older_than' };
}
