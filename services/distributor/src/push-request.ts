import { KilnError, type Label } from '@kiln/model';

/** One profile of a push as the client sent it. */
export interface PushedSample {
  /** pprof, gzip or plain: a view of the request's body. */
  readonly profile: Uint8Array;
  /** RawSample.ID, '' when not sent. */
  readonly id: string;
}

/** One series of a push: labels in the order sent, copies included. */
export interface PushedSeries {
  readonly labels: readonly Label[];
  readonly samples: readonly PushedSample[];
}

const VARINT = 0;
const FIXED64 = 1;
const BYTES = 2;
const FIXED32 = 5;

/**
 * Reads a push.v1.PushRequest by hand, so that no generic decoder copies the profiles:
 * PushRequest {1 RawProfileSeries*} · RawProfileSeries {1 LabelPair*, 2 RawSample*} · LabelPair {1 name, 2 value} · RawSample {1 bytes, 2 ID}.
 * Unknown fields are skipped. Every length is bounded by the bytes left.
 * @throws KilnError `invalid_argument` naming the byte offset.
 */
export function readPushRequest(body: Uint8Array): PushedSeries[] {
  const series: PushedSeries[] = [];
  const fields = new Fields(body, 0, body.length);
  while (fields.next()) if (fields.is(1, BYTES)) series.push(readSeries(fields.message()));
  return series;
}

function readSeries(fields: Fields): PushedSeries {
  const labels: Label[] = [];
  const samples: PushedSample[] = [];
  while (fields.next()) {
    if (fields.is(1, BYTES)) labels.push(readLabel(fields.message()));
    else if (fields.is(2, BYTES)) samples.push(readSample(fields.message()));
  }
  return { labels, samples };
}

function readLabel(fields: Fields): Label {
  let name = '';
  let value = '';
  while (fields.next()) {
    if (fields.is(1, BYTES)) name = fields.text('label name');
    else if (fields.is(2, BYTES)) value = fields.text('label value');
  }
  return { name, value };
}

function readSample(fields: Fields): PushedSample {
  let profile: Uint8Array = new Uint8Array(0);
  let id = '';
  while (fields.next()) {
    if (fields.is(1, BYTES)) profile = fields.bytes();
    else if (fields.is(2, BYTES)) id = fields.text('sample ID');
  }
  return { profile, id };
}

/** Walks the fields of one protobuf message inside a body. */
class Fields {
  readonly #body: Uint8Array;
  readonly #end: number;
  #at: number;
  #field = 0;
  #wire = 0;
  #from = 0;
  #to = 0;

  constructor(body: Uint8Array, start: number, end: number) {
    this.#body = body;
    this.#at = start;
    this.#end = end;
  }

  /** Moves to the next field; its content is skipped unless asked for. */
  next(): boolean {
    if (this.#at >= this.#end) return false;
    const tag = this.#varint();
    this.#wire = tag % 8;
    this.#field = Math.floor(tag / 8);
    if (this.#field === 0) this.#fail('field number 0');
    this.#from = this.#at;
    if (this.#wire === VARINT) this.#varint();
    else if (this.#wire === FIXED64) this.#at += 8;
    else if (this.#wire === FIXED32) this.#at += 4;
    else if (this.#wire === BYTES) {
      const length = this.#varint();
      this.#from = this.#at;
      this.#at += length;
    } else this.#fail(`wire type ${this.#wire}`);
    if (this.#at > this.#end) this.#fail(`a field of ${this.#at - this.#from} bytes, ${this.#end - this.#from} left`);
    this.#to = this.#at;
    return true;
  }

  is(field: number, wire: number): boolean {
    return this.#field === field && this.#wire === wire;
  }

  message(): Fields {
    return new Fields(this.#body, this.#from, this.#to);
  }

  bytes(): Uint8Array {
    return this.#body.subarray(this.#from, this.#to);
  }

  text(what: string): string {
    try {
      return utf8.decode(this.bytes());
    } catch {
      return this.#fail(`a ${what} that is not UTF-8`);
    }
  }

  #varint(): number {
    let value = 0;
    let scale = 1;
    for (let i = 0; i < 10; i++) {
      if (this.#at >= this.#end) this.#fail('a number without end');
      const byte = this.#body[this.#at++]!;
      value += (byte & 127) * scale;
      if (byte < 128) return value;
      scale *= 128;
    }
    return this.#fail('a number of more than 10 bytes');
  }

  #fail(found: string): never {
    throw new KilnError('invalid_argument', `push request is not a push.v1.PushRequest: ${found} at byte ${this.#at}`, {
      reason: 'malformed_profile',
    });
  }
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/**
 * Reads a push.v1.PushRequest in protobuf JSON: lowerCamelCase or the original names, bytes in base64 (standard or URL-safe),
 * unknown fields ignored, null as absent.
 * @throws KilnError `invalid_argument` naming what was found where.
 */
export function readPushRequestJson(text: string): PushedSeries[] {
  let request: unknown;
  try {
    request = JSON.parse(text);
  } catch (error) {
    throw badJson((error as Error).message);
  }
  return items(object(request, 'the body'), 'series', 'series').map((series, i) => {
    const at = `series[${i}]`;
    const fields = object(series, at);
    return {
      labels: items(fields, 'labels', `${at}.labels`).map((label, j) => {
        const pair = object(label, `${at}.labels[${j}]`);
        return {
          name: word(pair['name'], `${at}.labels[${j}].name`),
          value: word(pair['value'], `${at}.labels[${j}].value`),
        };
      }),
      samples: items(fields, 'samples', `${at}.samples`).map((sample, j) => {
        const raw = object(sample, `${at}.samples[${j}]`);
        return {
          profile: base64(raw['rawProfile'] ?? raw['raw_profile'], `${at}.samples[${j}].rawProfile`),
          id: word(raw['ID'] ?? raw['id'], `${at}.samples[${j}].ID`),
        };
      }),
    };
  });
}

function object(value: unknown, at: string): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw badJson(`${at} is not an object`);
  return value as Record<string, unknown>;
}

function items(fields: Record<string, unknown>, name: string, at: string): unknown[] {
  const value = fields[name] ?? [];
  if (!Array.isArray(value)) throw badJson(`${at} is not a list`);
  return value;
}

function word(value: unknown, at: string): string {
  if (value === undefined || value === null) return '';
  if (typeof value !== 'string') throw badJson(`${at} is not a string`);
  return value;
}

const base64Form = /^[A-Za-z0-9+/_-]*={0,2}$/;

function base64(value: unknown, at: string): Uint8Array {
  const text = word(value, at);
  if (!base64Form.test(text)) throw badJson(`${at} is not base64`);
  return Buffer.from(text, 'base64');
}

function badJson(found: string): KilnError {
  return new KilnError('invalid_argument', `push request is not JSON of push.v1.PushRequest: ${found}`, {
    reason: 'malformed_profile',
  });
}
