/*
 * Ids as text. A span id is 8 bytes, a trace id 16, highest digit first. Of a profile id the first 8 bytes are stored with each row (FORMAT.md), so the
 * id that Kiln gives a profile is the UUID of those bytes and eight zero bytes.
 */

const NO_BYTES = '0000000000000000';

/** @param id 16 hex digits. */
export function profileUuid(id: string): string {
  const all = id + NO_BYTES;
  return [all.slice(0, 8), all.slice(8, 12), all.slice(12, 16), all.slice(16, 20), all.slice(20)].join('-');
}

/**
 * The stored half of a profile id, 16 hex digits in small letters; the other half is not looked at.
 * @param uuid with or without hyphens; undefined is returned for a text that is none.
 */
export function profileIdOf(uuid: string): string | undefined {
  const isUuid = /^[0-9a-f]{8}(-?)[0-9a-f]{4}\1[0-9a-f]{4}\1[0-9a-f]{4}\1[0-9a-f]{12}$/i.test(uuid);
  return isUuid ? uuid.replaceAll('-', '').slice(0, 16).toLowerCase() : undefined;
}
