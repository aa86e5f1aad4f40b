/** What a field of a message holds. `varints` may come packed or one by one. */
export type WireKind = 'varint' | 'varints' | 'bytes' | WireShape;

/** Fields of a message by number. Numbers not named are unknown and skipped. */
export interface WireShape {
  readonly [field: number]: WireKind;
}

/**
 * Walks a protobuf message and throws where the bytes break the wire format: a tag without field number, a length beyond the message around it,
 * a varint of more than 10 bytes, a known field in a foreign wire type. protobufjs lets some of these pass.
 */
export function checkWire(bytes: Uint8Array, shape: WireShape, from = 0, to: number = bytes.length): void {
  let at = from;
  const varint = (): bigint => {
    let value = 0n;
    for (let i = 0; ; i++) {
      if (i === 10) throw new Error(`varint of more than 10 bytes at ${at}`);
      if (at >= to) throw new Error(`message ends inside a varint at ${at}`);
      const byte = bytes[at++]!;
      value |= BigInt(byte & 127) << BigInt(7 * i);
      if (byte < 128) return value;
    }
  };
  const skip = (count: bigint): void => {
    if (count > BigInt(to - at)) throw new Error(`${count} bytes named at ${at}, ${to - at} left`);
    at += Number(count);
  };
  while (at < to) {
    const tag = varint();
    const field = Number(BigInt.asUintN(32, tag) >> 3n);
    const wireType = Number(tag & 7n);
    if (field === 0) throw new Error(`field number 0 at ${at}`);
    const kind = shape[field];
    if (wireType === 0) {
      varint();
      if (kind !== undefined && kind !== 'varint' && kind !== 'varints') throw new Error(`field ${field} is a varint`);
    } else if (wireType === 2) {
      const length = varint();
      const start = at;
      skip(length);
      if (kind === 'varint') throw new Error(`field ${field} has a length`);
      if (kind === 'varints') {
        const end = at;
        at = start;
        while (at < end) varint();
        if (at !== end) throw new Error(`packed field ${field} ends inside a varint`);
      } else if (kind !== undefined && kind !== 'bytes') checkWire(bytes, kind, start, at);
    } else if (wireType === 1 || wireType === 5) {
      skip(wireType === 1 ? 8n : 4n);
      if (kind !== undefined) throw new Error(`field ${field} is fixed`);
    } else throw new Error(`wire type ${wireType} at ${at}`);
  }
}
