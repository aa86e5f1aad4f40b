import { deleteSetting, putSetting, readSettings, type Catalog } from '@kiln/catalog';
import { KilnError, type TenantId } from '@kiln/model';
import type { FeatureFlagsService, SettingsService, UnaryContext, UnaryMethods, VersionService } from '@kiln/rpc';

/** A call, and whose settings it is about. */
export interface TenantContext extends UnaryContext {
  readonly tenant: TenantId;
}

/** Far enough for any clock, near enough for exact arithmetic in doubles. */
const MAX_TIME_MS = 2n ** 50n;

/** settings.v1.SettingsService (contract/pyroscope.md §1.8). @param admit throws when there is no room for another setting. */
export function settingsService(
  catalog: Catalog,
  admit: (tenant: TenantId) => void,
): UnaryMethods<typeof SettingsService, TenantContext> {
  const { clock } = catalog;
  return {
    async get(_request, { tenant }) {
      const settings = await readSettings(catalog, tenant);
      return {
        settings: settings.map(({ name, value, modifiedMs }) => ({ name, value, modifiedAt: BigInt(modifiedMs) })),
      };
    },

    async set({ setting }, { tenant }) {
      if (setting === undefined) throw new KilnError('invalid_argument', 'setting is missing');
      admit(tenant);
      const { name, value, modifiedAt } = setting;
      if (modifiedAt > MAX_TIME_MS)
        throw new KilnError('invalid_argument', `modifiedAt is ${modifiedAt}, allowed are Unix milliseconds`);
      const modifiedMs = modifiedAt <= 0n ? clock.nowMs() : Number(modifiedAt);
      await putSetting(catalog, tenant, { name, value, modifiedMs });
      return { setting: { name, value, modifiedAt: BigInt(modifiedMs) } };
    },

    async delete({ name }, { tenant }) {
      if (name === '') throw new KilnError('invalid_argument', 'name is missing: want that of the setting to delete');
      await deleteSetting(catalog, tenant, name, clock.nowMs());
      return {};
    },
  };
}

/** What this version can do of what not every server can, sorted by name. */
const flags: Readonly<Record<string, boolean>> = {
  pyroscopeRuler: false,
  pyroscopeRulerFunctions: false,
  utf8LabelNames: true,
  v2StorageLayer: true,
};

/** capabilities.v1.FeatureFlagsService. */
export const featureFlagsService: UnaryMethods<typeof FeatureFlagsService> = {
  getFeatureFlags: () =>
    Promise.resolve({ featureFlags: Object.entries(flags).map(([name, enabled]) => ({ name, enabled })) }),
};

/** version.v1.Version. */
export const versionService: UnaryMethods<typeof VersionService> = {
  version: () => Promise.resolve({ QuerierAPI: 1n }),
};
