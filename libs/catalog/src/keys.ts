import { tenantPathSegment, type LogId, type TenantId } from '@kiln/model';

/** Every key of the object layout (design: distributed.md §1.6). A key is made here or nowhere; tenants enter as one path segment. */

/** Cluster id, P, layout version. */
export const clusterKey = 'cluster';

/** The register of logs, with T of each. */
export const trimKey = 'log/trim';

export function manifestPrefix(log: LogId): string {
  return `log/${log}/m/`;
}

/** @param seq from 0; 12 digits in the key, so that keys sort by it. */
export function manifestKey(log: LogId, seq: number): string {
  return `${manifestPrefix(log)}${String(whole(seq, 0)).padStart(12, '0')}`;
}

/** The level-0 object of the rows in (start, end]. `nonce`: random lower-case hex, so that two cuts of one range never meet. */
export function segmentKey(log: LogId, start: number, end: number, nonce: string): string {
  if (!/^[0-9a-f]{8,64}$/.test(nonce)) throw new RangeError(`not a nonce: ${JSON.stringify(nonce)}`);
  return `log/${log}/s/${whole(start, -1)}-${whole(end, start)}-${nonce}`;
}

/** A record that could not be decoded. */
export function quarantineKey(log: LogId, offset: number): string {
  return `log/${log}/q/${whole(offset, 0)}`;
}

/** The index of a tenant: its floor, W per log, live blocks. */
export function tenantIndexKey(tenant: TenantId): string {
  return `tenants/${tenantPathSegment(tenant)}/index`;
}

function whole(value: number, least: number): number {
  if (!Number.isSafeInteger(value) || value < least)
    throw new RangeError(`${value} in a key, want a whole number from ${least}`);
  return value;
}
