import { KilnError, type TenantId } from '@kiln/model';
import { BRIEFLY } from './attempts.ts';
import type { Catalog, CatalogReader } from './catalog.ts';
import { compareAndSet, type Revised, type RewrittenObject } from './compare-and-set.ts';
import { decodeJsonObject, encodeJsonObject } from './json-object.ts';
import { settingsKey } from './keys.ts';

/** What a tool keeps for a tenant under a name; only the tool knows what it means. */
export interface TenantSetting {
  readonly name: string;
  readonly value: string;
  /** Unix milliseconds, by the clock of whoever set it. */
  readonly modifiedMs: number;
}

interface Settings {
  /** Sorted by name, each once. */
  readonly settings: readonly TenantSetting[];
}

const VERSION = 1;
const MAX_SETTINGS = 1_000;
const MAX_BYTES = 1024 * 1024;

/** The settings of a tenant, sorted by name. */
export async function readSettings(catalog: CatalogReader, tenant: TenantId): Promise<readonly TenantSetting[]> {
  const stored = await catalog.objects.get(settingsKey(tenant));
  return stored === undefined ? [] : settingsObject(tenant).decode(catalog, stored.bytes).settings;
}

/**
 * Sets one by name, unless what is stored is newer.
 * @throws KilnError `already_exists` when it is, `resource_exhausted` when a tenant would have too many.
 */
export async function putSetting(catalog: Catalog, tenant: TenantId, setting: TenantSetting): Promise<void> {
  await change(catalog, tenant, setting, (others) => [...others, setting]);
}

/** Deletes one by name, unless what is stored is newer than `nowMs`; there need not be one. @throws KilnError `already_exists` when it is. */
export async function deleteSetting(catalog: Catalog, tenant: TenantId, name: string, nowMs: number): Promise<void> {
  await change(catalog, tenant, { name, modifiedMs: nowMs }, (others) => others);
}

async function change(
  catalog: Catalog,
  tenant: TenantId,
  { name, modifiedMs }: Pick<TenantSetting, 'name' | 'modifiedMs'>,
  next: (others: readonly TenantSetting[]) => readonly TenantSetting[],
): Promise<void> {
  // Thrown behind the loop, which would try again.
  let refusal: KilnError | undefined;
  await compareAndSet(catalog, settingsObject(tenant), BRIEFLY, (current) => {
    const settings = current?.settings ?? [];
    const stored = settings.find((one) => one.name === name);
    refusal = undefined;
    if (stored !== undefined && stored.modifiedMs > modifiedMs) {
      refusal = new KilnError(
        'already_exists',
        `setting ${JSON.stringify(name)} was changed at ${stored.modifiedMs}, after ${modifiedMs}: read it again`,
      );
      return undefined;
    }
    const changed = next(settings.filter((one) => one !== stored));
    refusal = tooMany(changed);
    if (refusal !== undefined || (stored === undefined && changed.length === settings.length)) return undefined;
    return { settings: changed.toSorted((a, b) => (a.name < b.name ? -1 : 1)) };
  });
  if (refusal !== undefined) throw refusal;
}

function tooMany(settings: readonly TenantSetting[]): KilnError | undefined {
  const bytes = settings.reduce((sum, { name, value }) => sum + name.length + value.length, 0);
  if (settings.length <= MAX_SETTINGS && bytes <= MAX_BYTES) return undefined;
  return new KilnError(
    'resource_exhausted',
    `the tenant would have ${settings.length} settings of ${bytes} characters, allowed are ${MAX_SETTINGS} of ${MAX_BYTES}: delete some`,
  );
}

function settingsObject(tenant: TenantId): RewrittenObject<Settings> {
  const key = settingsKey(tenant);
  return {
    key,
    encode: (catalog, { rev, settings }) => encodeJsonObject(catalog.crc32, { version: VERSION, rev, settings }),
    decode(catalog, bytes): Settings & Revised {
      const fields = decodeJsonObject(catalog.crc32, key, bytes, VERSION);
      const settings = fields.list('settings', (one): TenantSetting => ({
        name: one.text('name'),
        value: one.text('value'),
        modifiedMs: one.whole('modifiedMs'),
      }));
      return { rev: fields.whole('rev', 1), settings };
    },
  };
}
