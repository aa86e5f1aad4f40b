import { ConfigError, nearest, readSettings, type SettingsFor } from '@kiln/config';
import { parseTenantId, type TenantId } from '@kiln/model';
import { limitSettings, reachMs, type Limits } from './limits.ts';
import { withoutOtherLimits } from './other-limits.ts';

/** What a tenant's limits differ in from those of the process. */
export type Overrides = ReadonlyMap<TenantId, Partial<Limits>>;

/** The limits of every tenant: those of the process, and field by field what a file says of the tenant. */
export class TenantLimits {
  readonly #defaults: Limits;
  #byTenant: ReadonlyMap<TenantId, Limits> = new Map();
  #overrides: Overrides = new Map();

  constructor(defaults: Limits) {
    this.#defaults = defaults;
  }

  of(tenant: TenantId): Limits {
    return this.#byTenant.get(tenant) ?? this.#defaults;
  }

  /** Those that hold. */
  get overrides(): Overrides {
    return this.#overrides;
  }

  /** The longest `reachMs` of any tenant, of those that nobody names too. */
  get longestReachMs(): number {
    return [...this.#byTenant.values()].reduce(
      (most, limits) => Math.max(most, reachMs(limits)),
      reachMs(this.#defaults),
    );
  }

  /** From now on exactly these hold. */
  replace(overrides: Overrides): void {
    this.#overrides = overrides;
    const merged = [...overrides].map(
      ([tenant, own]) => [tenant, Object.freeze({ ...this.#defaults, ...own })] as const,
    );
    this.#byTenant = new Map(merged);
  }
}

/**
 * Reads the files of `runtime-config.file`, each `overrides: { tenant: { limit: value } }` with the names of `limits:`
 * (contract/pyroscope.md §6.2). Where several files speak of a tenant the later one wins, field by field.
 * @param files names, for sentences, and parsed YAML.
 * @throws ConfigError for an unknown key, a name that no tenant can have, or a value that is not allowed.
 */
export function readOverrides(files: readonly { readonly name: string; readonly tree: unknown }[]): Overrides {
  const overrides = new Map<TenantId, Partial<Limits>>();
  for (const { name, tree } of files) {
    for (const [tenant, values] of Object.entries(sectionsOf(tree, name))) {
      const at = `overrides.${tenant} in ${name}`;
      const own = readSettings(byOwnName, { name: at, tree: withoutOtherLimits(values, at) });
      const id = tenantOf(tenant, name);
      overrides.set(id, { ...overrides.get(id), ...own });
    }
  }
  return overrides;
}

function sectionsOf(tree: unknown, name: string): Record<string, unknown> {
  if (tree === null || tree === undefined)
    throw new ConfigError(`${name} is empty: a file without overrides says "overrides: {}"`);
  if (!isRecord(tree)) throw new ConfigError(`${name} must hold "overrides:" with limits by tenant`);
  const [other] = Object.keys(tree).filter((key) => key !== 'overrides');
  if (other !== undefined) {
    const hint = nearest(other, ['overrides']) === undefined ? 'known is overrides' : 'did you mean overrides?';
    throw new ConfigError(`unknown key ${other} in ${name}: ${hint}`);
  }
  const { overrides } = tree;
  if (overrides === null || overrides === undefined) return {};
  if (!isRecord(overrides)) throw new ConfigError(`overrides in ${name} must hold limits by tenant`);
  return overrides;
}

function tenantOf(text: string, name: string): TenantId {
  try {
    return parseTenantId(text);
  } catch (error) {
    throw new ConfigError(`overrides in ${name}: ${(error as Error).message}`);
  }
}

/** The settings under the names that they have inside a tenant. */
const byOwnName = Object.fromEntries(
  Object.entries(limitSettings).map(([name, one]) => [name, { ...one, yaml: one.yaml?.replace(/^limits\./, '') }]),
) as SettingsFor<Limits>;

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
