import type { TenantId } from '@kiln/model';
import { OTHER_GROUP } from '@kiln/tenant';

/** Names of usage groups of one tenant that are counted apart, and the longest. */
const MAX_NAMES = 1_000;
const MAX_LENGTH = 256;

/** Under which names usage groups are counted: a name may be filled in from labels, which clients choose, and metrics are never forgotten. */
export class GroupNames {
  readonly #known = new Map<TenantId, Set<string>>();

  /** The name itself, while it is one of the first thousand of its tenant and no longer than 256 characters; else `other`. */
  of(tenant: TenantId, group: string): string {
    const known = this.#known.get(tenant) ?? new Set<string>();
    if (known.has(group)) return group;
    if (known.size >= MAX_NAMES || group.length > MAX_LENGTH) return OTHER_GROUP;
    known.add(group);
    this.#known.set(tenant, known);
    return group;
  }
}
