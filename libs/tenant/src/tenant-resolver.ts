import { setting, type SettingsFor } from '@kiln/config';
import { ANONYMOUS, parseTenantId, parseTenantIds, type TenantId } from '@kiln/model';

/** Who asks, as an operator decides it. */
export interface AuthConfig {
  readonly multitenancyEnabled: boolean;
}

export const authSettings: SettingsFor<AuthConfig> = {
  multitenancyEnabled: setting({
    key: 'auth.multitenancy-enabled',
    yaml: 'multitenancy_enabled',
    type: 'bool',
    default: false,
    meaning:
      'Every request names its tenant in X-Scope-OrgID; false: all belong to the tenant "anonymous" and the header is ignored',
  }),
};

/** What the resolver tells about a header that it ignores. */
export interface IgnoredHeader {
  /** Called each time. */
  readonly count: () => void;
  /** Called the first time. */
  readonly warn: (message: string) => void;
}

/** The one place where a header becomes a tenant (contract/pyroscope.md §1.6). */
export class TenantResolver {
  readonly #multitenancy: boolean;
  readonly #ignored: IgnoredHeader;
  #ignoredCount = 0;

  constructor(multitenancy: boolean, ignored: IgnoredHeader) {
    this.#multitenancy = multitenancy;
    this.#ignored = ignored;
  }

  /**
   * The tenant of a write. `header` is X-Scope-OrgID exactly as received.
   * @throws KilnError `unauthenticated` when missing or empty; `invalid_argument` when malformed or naming several.
   */
  forWrite(header: string | undefined): TenantId {
    return this.#multitenancy ? parseTenantId(header) : this.#anonymous(header);
  }

  /**
   * The tenants of a read, `a|b`: each once, never none. Their data is answered together.
   * @throws KilnError as `forWrite`, but for several.
   */
  forRead(header: string | undefined): readonly TenantId[] {
    return this.#multitenancy ? parseTenantIds(header) : [this.#anonymous(header)];
  }

  /** Lines for `/ready?verbose`. */
  notes(): string[] {
    if (this.#ignoredCount === 0) return [];
    return [`tenants: multitenancy is off, X-Scope-OrgID was ignored in ${this.#ignoredCount} requests`];
  }

  #anonymous(header: string | undefined): TenantId {
    if (header !== undefined && header !== '' && header !== ANONYMOUS) {
      if (this.#ignoredCount++ === 0) {
        this.#ignored.warn(
          'a request names a tenant in X-Scope-OrgID, which is ignored: set --auth.multitenancy-enabled=true to keep tenants apart',
        );
      }
      this.#ignored.count();
    }
    return ANONYMOUS;
  }
}
