import { tenantPathSegment, type LogId, type TenantId } from '@kiln/model';

/** Every key of the object layout (design: distributed.md §1.6). A key is made here or nowhere; tenants enter as one path segment. */

/** Cluster id, P, layout version. */
export const clusterKey = 'cluster';

/** Everything of logs: what each has, and the register. */
export const logsPrefix = 'log/';

/** Sorts behind every key below a part of a key: `~` is the last character of keys. */
export const BEHIND = '/~~';

/** The register of logs, with T of each. */
export const trimKey = 'log/trim';

/** What a log has, or what it has of one kind. */
export function logPrefix(log: LogId, kind: '' | 'm/' | 's/' | 'q/'): string {
  return `${logsPrefix}${log}/${kind}`;
}

export function manifestPrefix(log: LogId): string {
  return logPrefix(log, 'm/');
}

/** @param seq from 0; 12 digits in the key, so that keys sort by it. */
export function manifestKey(log: LogId, seq: number): string {
  return `${manifestPrefix(log)}${String(whole(seq, 0)).padStart(12, '0')}`;
}

/** The level-0 object of the rows in (start, end]. `nonce`: random lower-case hex, so that two cuts of one range never meet. */
export function segmentKey(log: LogId, start: number, end: number, nonce: string): string {
  if (!/^[0-9a-f]{8,64}$/.test(nonce)) throw new RangeError(`not a nonce: ${JSON.stringify(nonce)}`);
  return `${segmentPrefix(log)}${whole(start, -1)}-${whole(end, start)}-${nonce}`;
}

export function segmentPrefix(log: LogId): string {
  return logPrefix(log, 's/');
}

/** The start in the key of a segment of this log; undefined for any other key. */
export function segmentStart(log: LogId, key: string): number | undefined {
  const prefix = segmentPrefix(log);
  const found = key.startsWith(prefix) ? /^(-?\d{1,16})-\d{1,16}-[0-9a-f]{8,64}$/.exec(key.slice(prefix.length)) : null;
  return found === null ? undefined : Number(found[1]);
}

/** A record that could not be decoded. */
export function quarantineKey(log: LogId, offset: number): string {
  return `${logPrefix(log, 'q/')}${whole(offset, 0)}`;
}

/** The offset in the key of a quarantined record of this log; undefined for any other key. */
export function quarantinedOffset(log: LogId, key: string): number | undefined {
  const prefix = logPrefix(log, 'q/');
  return key.startsWith(prefix) && /^\d{1,16}$/.test(key.slice(prefix.length))
    ? Number(key.slice(prefix.length))
    : undefined;
}

/** Everything that is kept of tenants one by one. */
export const tenantsPrefix = 'tenants/';

/** The index of a tenant: its floor, W per log, live blocks. */
export function tenantIndexKey(tenant: TenantId): string {
  return `${tenantsPrefix}${tenantPathSegment(tenant)}/index`;
}

/** Where it is noted which tenants have an index. */
export const indexedPrefix = 'indexed/';

/** Says that the index of a tenant exists, by being there. */
export function indexedKey(tenant: TenantId): string {
  return indexedPrefix + tenantPathSegment(tenant);
}

/** Where the blocks of a tenant lie. */
export function blockPrefix(tenant: TenantId): string {
  return `${tenantsPrefix}${tenantPathSegment(tenant)}/b/`;
}

/**
 * A block.
 * @param rev the index rev that its job was planned on: 12 digits in the key, so that keys sort by it.
 * @param name lower-case hex of the 16 bytes of its block id.
 */
export function blockKey(tenant: TenantId, rev: number, name: string): string {
  if (!/^[0-9a-f]{32}$/.test(name)) throw new RangeError(`not a block id: ${JSON.stringify(name)}`);
  return `${blockPrefix(tenant)}${String(whole(rev, 0)).padStart(12, '0')}-${name}`;
}

/** Where the parts of a tenant lie that could not be read. */
export function damagedPartPrefix(tenant: TenantId): string {
  return `${tenantsPrefix}${tenantPathSegment(tenant)}/q/`;
}

/** The bytes of a part that a job could not read, kept for people. `rev` and `name` as in `blockKey`. */
export function damagedPartKey(tenant: TenantId, rev: number, name: string): string {
  return damagedPartPrefix(tenant) + blockKey(tenant, rev, name).slice(blockPrefix(tenant).length);
}

/** The rev in the key of a block or a damaged part of this tenant; undefined for any other key. */
export function keyRev(tenant: TenantId, key: string): number | undefined {
  const prefix = [blockPrefix(tenant), damagedPartPrefix(tenant)].find((one) => key.startsWith(one));
  const found = prefix === undefined ? null : /^(\d{12,16})-[0-9a-f]{32}$/.exec(key.slice(prefix.length));
  return found === null ? undefined : Number(found[1]);
}

/** What people and tools keep. Not below `tenantsPrefix`: who keeps settings need not have profiles. */
export const keptPrefixes = { settings: 'settings/', adHoc: 'adhoc/' } as const;

/** What tools keep for a tenant. */
export function settingsKey(tenant: TenantId): string {
  return keptPrefixes.settings + tenantPathSegment(tenant);
}

/** Where the ad hoc profiles of a tenant lie. */
export function adHocPrefix(tenant: TenantId): string {
  return `${keptPrefixes.adHoc}${tenantPathSegment(tenant)}/`;
}

function whole(value: number, least: number): number {
  if (!Number.isSafeInteger(value) || value < least)
    throw new RangeError(`${value} in a key, want a whole number from ${least}`);
  return value;
}
