import type { Codecs } from '@kiln/block';
import { CorruptDataError } from '@kiln/bytes';
import { KilnError } from '@kiln/model';

/**
 * A small object: one line of JSON, then its CRC-32 (of the UTF-8 of that line, without its newline) as 8 lower-case hex digits and a newline.
 *
 *     {"version":1,…}\n
 *     0a1b2c3d\n
 *
 * `version` is the object's own. Unknown fields are skipped; what an older reader must not skip (or would lose by rewriting) raises the version.
 */
export function encodeJsonObject(
  crc32: Codecs['crc32'],
  fields: { readonly version: number; readonly [name: string]: unknown },
): Uint8Array {
  const line = utf8.encode(JSON.stringify(fields));
  const check = utf8.encode(`\n${hex8(crc32(line))}\n`);
  const bytes = new Uint8Array(line.length + check.length);
  bytes.set(line);
  bytes.set(check, line.length);
  return bytes;
}

/**
 * The fields of a small object.
 * @param version the newest version that the caller reads.
 * @throws CorruptDataError naming the key; KilnError `failed_precondition` when a newer Kiln wrote it.
 */
export function decodeJsonObject(crc32: Codecs['crc32'], key: string, bytes: Uint8Array, version: number): JsonFields {
  const end = bytes.indexOf(0x0a);
  const check = ascii.decode(bytes.subarray(end + 1, end + 10));
  if (end < 0 || bytes.length !== end + 10 || !/^[0-9a-f]{8}\n$/.test(check)) {
    throw new CorruptDataError(key, 0, `${bytes.length} bytes that are not a line and its CRC-32`);
  }
  const line = bytes.subarray(0, end);
  const found = hex8(crc32(line));
  if (found !== check.slice(0, 8))
    throw new CorruptDataError(key, end + 1, `CRC-32 ${check.slice(0, 8)}, its line has ${found}`);
  const fields = new JsonFields(key, parse(key, line));
  const written = fields.whole('version', 1);
  if (written > version) {
    throw new KilnError(
      'failed_precondition',
      `object ${key} has version ${written}, this build of Kiln reads up to ${version}: start the newer Kiln that wrote it`,
    );
  }
  return fields;
}

const utf8 = new TextEncoder();
const ascii = new TextDecoder('latin1');
const strict = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

function hex8(crc: number): string {
  return (crc >>> 0).toString(16).padStart(8, '0');
}

function parse(key: string, line: Uint8Array): unknown {
  try {
    return JSON.parse(strict.decode(line));
  } catch (error) {
    throw new CorruptDataError(key, 0, KilnError.from(error).message);
  }
}

/** One JSON object being read: each field is checked, and what is wrong is named with the key and the path to it. */
export class JsonFields {
  readonly #key: string;
  readonly #path: string;
  readonly #fields: Readonly<Record<string, unknown>>;

  constructor(key: string, value: unknown, path = '') {
    this.#key = key;
    this.#path = path;
    if (typeof value !== 'object' || value === null || Array.isArray(value)) this.#fail('', 'is not an object');
    this.#fields = value as Record<string, unknown>;
  }

  has(name: string): boolean {
    return Object.hasOwn(this.#fields, name);
  }

  /** A whole number in [least, 2^53). */
  whole(name: string, least: number = Number.MIN_SAFE_INTEGER): number {
    const value = this.#get(name);
    if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < least) {
      return this.#fail(name, `is ${show(value)}, want a whole number from ${least}`);
    }
    return value;
  }

  text(name: string): string {
    const value = this.#get(name);
    if (typeof value !== 'string') return this.#fail(name, `is ${show(value)}, want a text`);
    return value;
  }

  /** true, or false when it is missing. */
  flag(name: string): boolean {
    const value = this.#get(name) ?? false;
    if (typeof value !== 'boolean') return this.#fail(name, `is ${show(value)}, want true or false`);
    return value;
  }

  /** `make` of a text; whatever it throws makes the field wrong. */
  parsed<T>(name: string, make: (text: string) => T): T {
    const text = this.text(name);
    try {
      return make(text);
    } catch (error) {
      return this.#fail(name, KilnError.from(error).message);
    }
  }

  list<T>(name: string, read: (item: JsonFields) => T): T[] {
    const value = this.#get(name);
    if (!Array.isArray(value)) return this.#fail(name, `is ${show(value)}, want a list`);
    return value.map((item, i) => read(new JsonFields(this.#key, item, `${this.#path}${name}[${i}].`)));
  }

  /** The field, or the object itself when `name` is '', breaks a rule. */
  fail(name: string, found: string): never {
    return this.#fail(name, found);
  }

  #get(name: string): unknown {
    return Object.hasOwn(this.#fields, name) ? this.#fields[name] : undefined;
  }

  #fail(name: string, found: string): never {
    throw new CorruptDataError(this.#key, 0, `${this.#path}${name} ${found}`.trim());
  }
}

function show(value: unknown): string {
  return (JSON.stringify(value) ?? 'missing').slice(0, 80);
}
