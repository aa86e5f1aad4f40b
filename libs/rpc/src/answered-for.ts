import type { TenantId } from '@kiln/model';

/**
 * A header of an answer that says whose data it was about, where the request's `X-Scope-OrgID` named other tenants: while multitenancy is off they are
 * ignored, and nothing else would tell the client.
 * @param asked the value as received.
 */
export function answeredFor(tenants: readonly TenantId[], asked: string | undefined): Record<string, string> {
  const tenant = tenants.join('|');
  return asked === undefined || asked === '' || asked === tenant ? {} : { 'x-kiln-tenant': tenant };
}
