import { setting, type SettingsFor } from '@kiln/config';
import { ANONYMOUS, KilnError, parseTenantId, parseTenantIds, type TenantId } from '@kiln/model';

/** Who asks, as an operator decides it. */
export interface AuthConfig {
  readonly multitenancyEnabled: boolean;
  readonly maxTenantsPerRead: number;
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
  maxTenantsPerRead: setting({
    key: 'auth.max-tenants-per-read',
    type: 'int',
    default: 64,
    min: 1,
    meaning: 'Tenants that one read may name in X-Scope-OrgID: a|b|c; above it the read is refused with 400',
    unit: 'tenants',
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
  readonly #auth: AuthConfig;
  readonly #ignored: IgnoredHeader;
  #ignoredCount = 0;

  constructor(auth: AuthConfig, ignored: IgnoredHeader) {
    this.#auth = auth;
    this.#ignored = ignored;
  }

  /**
   * The tenant of a write. `header` is X-Scope-OrgID exactly as received.
   * @throws KilnError `unauthenticated` when missing or empty; `invalid_argument` when malformed or naming several.
   */
  forWrite(header: string | undefined): TenantId {
    return this.#auth.multitenancyEnabled ? parseTenantId(header) : this.#anonymous(header);
  }

  /**
   * The tenants of a read, `a|b`: each once, never none. Their data is answered together.
   * @throws KilnError as `forWrite`, but for several; `invalid_argument` for more than a read may name.
   */
  forRead(header: string | undefined): readonly TenantId[] {
    const { multitenancyEnabled, maxTenantsPerRead } = this.#auth;
    if (!multitenancyEnabled) return [this.#anonymous(header)];
    const tenants = parseTenantIds(header);
    if (tenants.length <= maxTenantsPerRead) return tenants;
    throw new KilnError(
      'invalid_argument',
      `X-Scope-OrgID names ${tenants.length} tenants, and a read may name ${maxTenantsPerRead} (auth.max-tenants-per-read)`,
      { reason: 'too_many_tenants' },
    );
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
