/** What a field of a message holds. `varints` may come packed or one by one. */
export type WireKind = 'varint' | 'varints' | 'bytes' | WireShape;

/** Fields of a message by number. Numbers not named are unknown. */
export interface WireShape {
  readonly [field: number]: WireKind;
}

/**
 * Walks a protobuf message and gives its known fields alone, as protobufjs then reads them. A known field in a foreign wire type is unknown, as the
 * specification has it; protobufjs would misread it.
 * @throws Error where the bytes break the wire format, which protobufjs partly lets pass: a tag without field number, a length beyond the message around
 * it, a varint of more than 10 bytes.
 */
export function knownFields(bytes: Uint8Array, shape: WireShape): Uint8Array {
  const kept: Uint8Array[] = [];
  let at = 0;
  const varint = (to: number): bigint => {
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
    if (count > BigInt(bytes.length - at)) throw new Error(`${count} bytes named at ${at}, ${bytes.length - at} left`);
    at += Number(count);
  };
  while (at < bytes.length) {
    const from = at;
    const tag = varint(bytes.length);
    const field = Number(BigInt.asUintN(32, tag) >> 3n);
    const wireType = Number(tag & 7n);
    if (field === 0) throw new Error(`field number 0 at ${at}`);
    const kind = shape[field];
    if (wireType === 0) {
      varint(bytes.length);
      if (kind === 'varint' || kind === 'varints') kept.push(bytes.subarray(from, at));
    } else if (wireType === 2) {
      const length = varint(bytes.length);
      const start = at;
      skip(length);
      const end = at;
      if (kind === 'varints') {
        for (at = start; at < end;) varint(end);
      }
      if (kind === 'varints' || kind === 'bytes') kept.push(bytes.subarray(from, end));
      else if (typeof kind === 'object') {
        const inner = knownFields(bytes.subarray(start, end), kind);
        kept.push(varintBytes(field * 8 + 2), varintBytes(inner.length), inner);
      }
    } else if (wireType === 1 || wireType === 5) skip(wireType === 1 ? 8n : 4n);
    else throw new Error(`wire type ${wireType} at ${at}`);
  }
  return Buffer.concat(kept);
}

function varintBytes(value: number): Uint8Array {
  const out: number[] = [];
  let rest = value;
  for (; rest > 127; rest = Math.floor(rest / 128)) out.push((rest % 128) | 128);
  return Uint8Array.of(...out, rest);
}
