import { fromBinary, toJson, type DescField, type DescMessage } from '@bufbuild/protobuf';
import { BinaryReader, BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import { KilnError } from '@kiln/model';

/** Bytes of an answer that become objects at a time, about: objects take a hundred times as much. */
const PIECE_BYTES = 64 * 1024;

/** An answer that is encoded already, because the generic encoder would take many times its size. */
export abstract class EncodedAnswer {
  abstract toBinary(): Uint8Array;
  /** Canonical JSON. */
  abstract toJson(): Uint8Array;
}

/** An answer with nothing but bytes in one field, which is left out when there are none. */
export class EncodedBytes extends EncodedAnswer {
  readonly #field: DescField;
  readonly #bytes: Uint8Array;

  constructor(field: DescField, bytes: Uint8Array) {
    super();
    this.#field = field;
    this.#bytes = bytes;
  }

  toBinary(): Uint8Array {
    return this.#bytes.length === 0 ? this.#bytes : held(this.#field, this.#bytes);
  }

  toJson(): Uint8Array {
    if (this.#bytes.length === 0) return encoder.encode('{}');
    const { buffer, byteOffset, length } = this.#bytes;
    const base64 = Buffer.from(buffer, byteOffset, length).toString('base64');
    return encoder.encode(`{${JSON.stringify(this.#field.jsonName)}:"${base64}"}`);
  }
}

/** A whole message: as objects, one of a million samples would take a gigabyte. */
export class EncodedMessage extends EncodedAnswer {
  readonly #schema: DescMessage;
  readonly #bytes: Uint8Array;
  readonly #within: readonly DescField[];

  /**
   * @param bytes a message of the schema, fields of one number side by side.
   * @param within the fields of messages around it that hold it, outermost first.
   */
  constructor(schema: DescMessage, bytes: Uint8Array, within: readonly DescField[] = []) {
    super();
    this.#schema = schema;
    this.#bytes = bytes;
    this.#within = within;
  }

  toBinary(): Uint8Array {
    return this.#within.reduceRight((inner, field) => held(field, inner), this.#bytes);
  }

  /** A piece of the message after the other. */
  toJson(): Uint8Array {
    const text: Uint8Array[] = [];
    const write = (some: string): void => void text.push(encoder.encode(some));
    write(this.#within.map(({ jsonName }) => `{${JSON.stringify(jsonName)}:`).join(''));
    write('{');
    const written = new Set<string>();
    let openList = '';
    for (const piece of pieces(this.#bytes)) {
      const fields = Object.entries(toJson(this.#schema, fromBinary(this.#schema, piece)) as object);
      for (const [name, value] of fields as [string, unknown][]) {
        if (openList === name && Array.isArray(value)) {
          write(`,${JSON.stringify(value).slice(1, -1)}`);
          continue;
        }
        if (written.has(name)) throw new KilnError('internal', `${this.#schema.typeName} has ${name} in two places`);
        write(openList === '' ? '' : ']');
        openList = Array.isArray(value) ? name : '';
        const json = JSON.stringify(value);
        write(`${written.size === 0 ? '' : ','}${JSON.stringify(name)}:${openList === '' ? json : json.slice(0, -1)}`);
        written.add(name);
      }
    }
    write(`${openList === '' ? '' : ']'}}${'}'.repeat(this.#within.length)}`);
    return Buffer.concat(text);
  }
}

/** A message with those bytes in a field. */
function held({ number }: DescField, bytes: Uint8Array): Uint8Array {
  return new BinaryWriter().tag(number, WireType.LengthDelimited).bytes(bytes).finish();
}

/** The message cut between fields: each piece is a message of the same kind. */
function* pieces(bytes: Uint8Array): Generator<Uint8Array> {
  const reader = new BinaryReader(bytes);
  let start = 0;
  while (reader.pos < reader.len) {
    const [number, type] = reader.tag();
    reader.skip(type, number);
    if (reader.pos - start < PIECE_BYTES && reader.pos < reader.len) continue;
    yield bytes.subarray(start, reader.pos);
    start = reader.pos;
  }
}

const encoder = new TextEncoder();
