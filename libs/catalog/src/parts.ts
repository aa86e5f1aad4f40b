import type { TenantId } from '@kiln/model';
import type { Manifest, TenantPart } from './manifest.ts';

/** A tenant's part of a level-0 object. */
export interface CommittedPart extends TenantPart {
  /** Key of the object. */
  readonly object: string;
}

/** The parts of a tenant in the manifests above `from`, which is the end of a manifest, or -1. */
export function partsAbove(manifests: readonly Manifest[], tenant: TenantId, from: number): CommittedPart[] {
  const parts: CommittedPart[] = [];
  for (const { end, object, tenants } of manifests) {
    const part = end > from && object !== undefined ? partOf(tenants, tenant) : undefined;
    if (part !== undefined) parts.push({ ...part, object: object! });
  }
  return parts;
}

/** The part of a tenant; parts are sorted by tenant, each once. */
export function partOf(parts: readonly TenantPart[], tenant: TenantId): TenantPart | undefined {
  let low = 0;
  let high = parts.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (parts[middle]!.tenant < tenant) low = middle + 1;
    else high = middle;
  }
  return parts[low]?.tenant === tenant ? parts[low] : undefined;
}
