import type { Clock, Random } from '@kiln/async';
import { adHocPrefix, decodeAdHocObject, encodeAdHocObject, type Catalog } from '@kiln/catalog';
import { KilnError, type TenantId } from '@kiln/model';

/** A profile that somebody uploaded to look at. */
export interface AdHocFile {
  /** A ULID (https://github.com/ulid/spec), `-`, the name: sorts by time. */
  readonly id: string;
  readonly name: string;
  readonly uploadedMs: number;
}

/** What a tenant may keep; the oldest goes when there are more, for nothing deletes them. */
const MAX_FILES = 200;
const MAX_NAME = 200;

/** Ad hoc profiles by tenant: one object each. */
export class AdHocFiles {
  readonly #catalog: Catalog;

  constructor(catalog: Catalog) {
    this.#catalog = catalog;
  }

  async put(tenant: TenantId, name: string, bytes: Uint8Array): Promise<AdHocFile> {
    const { objects, clock, random, crc32 } = this.#catalog;
    const uploadedMs = clock.nowMs();
    const kept = name.replaceAll(/[^a-zA-Z0-9._-]/g, '_').slice(0, MAX_NAME);
    const id = `${newUlid(clock, random)}-${kept}`;
    await objects.put(adHocPrefix(tenant) + id, encodeAdHocObject(crc32, bytes));
    const files = await this.list(tenant);
    await Promise.all(files.slice(MAX_FILES).map((old) => objects.delete(adHocPrefix(tenant) + old.id)));
    return { id, name: kept, uploadedMs };
  }

  /** @throws KilnError `invalid_argument` for an id that is none, `not_found`; CorruptDataError for a damaged file. */
  async get(tenant: TenantId, id: string): Promise<AdHocFile & { readonly bytes: Uint8Array }> {
    const file = fileOf(id);
    if (file === undefined) {
      throw new KilnError(
        'invalid_argument',
        `id ${JSON.stringify(id.slice(0, 300))} is none of an ad hoc profile: want one as List gives it`,
      );
    }
    const key = adHocPrefix(tenant) + id;
    const stored = await this.#catalog.objects.get(key);
    if (stored === undefined) throw new KilnError('not_found', `there is no ad hoc profile ${id}`);
    return { ...file, bytes: decodeAdHocObject(this.#catalog.crc32, key, stored.bytes) };
  }

  /** The newest first. */
  async list(tenant: TenantId): Promise<AdHocFile[]> {
    const prefix = adHocPrefix(tenant);
    const keys = await this.#catalog.objects.list(prefix);
    return keys.flatMap((key) => fileOf(key.slice(prefix.length)) ?? []).toReversed();
  }
}

const BASE32 = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';
const TIME_DIGITS = 10;
const RANDOM_DIGITS = 16;

function newUlid(clock: Clock, random: Random): string {
  let text = '';
  for (let i = 0, ms = clock.nowMs(); i < TIME_DIGITS; i++, ms = Math.floor(ms / 32)) text = BASE32[ms % 32]! + text;
  for (let i = 0; i < RANDOM_DIGITS; i++) text += BASE32[Math.floor(random() * 32)]!;
  return text;
}

function fileOf(id: string): AdHocFile | undefined {
  const [, time, name] = /^([0-7][0-9A-HJKMNP-TV-Z]{9})[0-9A-HJKMNP-TV-Z]{16}-([a-zA-Z0-9._-]{0,200})$/.exec(id) ?? [];
  if (time === undefined) return undefined;
  let uploadedMs = 0;
  for (const digit of time) uploadedMs = uploadedMs * 32 + BASE32.indexOf(digit);
  return { id, name: name!, uploadedMs };
}
