import { KilnError } from './errors.ts';

declare const tenantBrand: unique symbol;

/** A validated tenant name. Only `parseTenantId` and `parseTenantIds` make one, so a function that takes it cannot be given a raw header. */
export type TenantId = string & { readonly [tenantBrand]: true };

/** The tenant of every request while multitenancy is off. */
export const ANONYMOUS: TenantId = 'anonymous' as TenantId;

const MAX_LENGTH = 150;
const ALLOWED = /^[a-zA-Z0-9!\-_.*'()]+$/;
/** Begins with the words that clients of Pyroscope know. */
const NO_TENANT = 'no org id: name a tenant in X-Scope-OrgID, for tenants are kept apart (auth.multitenancy-enabled)';
const RULES = `allowed are 1 to ${MAX_LENGTH} characters of a-z A-Z 0-9 ! - _ . * ' ( ), not "." or "..", not starting with "__"`;

/**
 * The one tenant of a write. `header` is the value of X-Scope-OrgID exactly as received; nothing is decoded.
 * A suffix `:key=value` is cut at the first colon (contract/pyroscope.md §1.6).
 * @throws KilnError `unauthenticated` when missing or empty, `invalid_argument` when malformed or naming several tenants.
 */
export function parseTenantId(header: string | undefined): TenantId {
  const [first, ...others] = parseTenantIds(header);
  if (others.length > 0) {
    throw new KilnError(
      'invalid_argument',
      `multiple org ids present: one tenant is allowed here, found ${others.length + 1}`,
    );
  }
  return first!;
}

/**
 * The tenants of a read, `a|b|c`: sorted by bytes, without copies, never empty.
 * @throws KilnError as `parseTenantId`; an empty part (`a||b`, `|a`) is `invalid_argument`.
 */
export function parseTenantIds(header: string | undefined): TenantId[] {
  if (header === undefined || header === '') throw new KilnError('unauthenticated', NO_TENANT);
  return [...new Set(header.split('|').map(parseOne))].toSorted((a, b) => (a < b ? -1 : 1));
}

function parseOne(part: string): TenantId {
  const colon = part.indexOf(':');
  const id = colon < 0 ? part : part.slice(0, colon);
  if (id.length > MAX_LENGTH || !ALLOWED.test(id) || id === '.' || id === '..' || id.startsWith('__')) {
    throw new KilnError('invalid_argument', `invalid org id ${JSON.stringify(id.slice(0, 200))}: ${RULES}`);
  }
  return id as TenantId;
}

/**
 * The tenant as one path segment of a key: small letters, then `~` and a hex mask of the capitals, so that ids that
 * differ only in case stay apart on a disk that ignores it. `~` is not a character of a tenant id.
 */
export function tenantPathSegment(tenant: TenantId): string {
  const lower = tenant.toLowerCase();
  if (lower === tenant) return lower;
  let mask = 0n;
  for (let i = 0; i < tenant.length; i++) if (tenant[i] !== lower[i]) mask |= 1n << BigInt(i);
  return `${lower}~${mask.toString(16)}`;
}

/** The tenant whose `tenantPathSegment` this is; undefined when it is of none. */
export function parseTenantSegment(segment: string): TenantId | undefined {
  const [lower = '', mask = '', ...more] = segment.split('~');
  if (more.length > 0 || !/^[0-9a-f]*$/.test(mask)) return undefined;
  const capitals = BigInt(`0x${mask === '' ? '0' : mask}`);
  const text = Array.from(lower, (letter, i) => ((capitals >> BigInt(i)) & 1n ? letter.toUpperCase() : letter)).join(
    '',
  );
  try {
    const tenant = parseTenantId(text);
    return tenantPathSegment(tenant) === segment ? tenant : undefined;
  } catch {
    return undefined;
  }
}
