import { fromBinary, toJson, type DescField, type DescMessage } from '@bufbuild/protobuf';
import { BinaryReader, BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import { KilnError } from '@kiln/model';

/** Bytes of an answer that become objects at a time, about: objects take a hundred times as much. */
const PIECE_BYTES = 64 * 1024;

/** An answer that is encoded already: as objects, one of a million samples would take a gigabyte. */
export class EncodedAnswer {
  readonly #schema: DescMessage;
  readonly #bytes: Uint8Array;
  readonly #within: readonly DescField[];

  /**
   * @param bytes a message of the schema, fields of one number side by side.
   * @param within the fields of messages around it that hold it, outermost first.
   */
  constructor(schema: DescMessage, bytes: Uint8Array, within: readonly DescField[] = []) {
    this.#schema = schema;
    this.#bytes = bytes;
    this.#within = within;
  }

  toBinary(): Uint8Array {
    return this.#within.reduceRight<Uint8Array>(
      (inner, { number }) => new BinaryWriter().tag(number, WireType.LengthDelimited).bytes(inner).finish(),
      this.#bytes,
    );
  }

  /** Canonical JSON, a piece of the message after the other. */
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
