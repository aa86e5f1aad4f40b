/** One field of a protobuf message, for rewriting it: varints as bigint, nested messages as fields, the rest as bytes. */
export interface PbField {
  readonly no: number;
  value: bigint | Uint8Array | PbField[];
}

/** What fields hold nested messages, by number. */
export interface PbNesting {
  readonly [no: number]: PbNesting;
}

/** Nesting of pprof's messages; packed lists stay bytes. */
export const pprofNesting: PbNesting = { 1: {}, 2: { 3: {} }, 3: {}, 4: { 4: {} }, 5: {}, 11: {} };

/** Reads well-formed bytes. @throws RangeError where they end early */
export function readFields(bytes: Uint8Array, nesting: PbNesting): PbField[] {
  const fields: PbField[] = [];
  let at = 0;
  const varint = (): bigint => {
    let value = 0n;
    for (let shift = 0n; ; shift += 7n) {
      const byte = bytes[at++];
      if (byte === undefined) throw new RangeError('message ends inside a varint');
      value |= BigInt(byte & 127) << shift;
      if (byte < 128) return BigInt.asUintN(64, value);
    }
  };
  while (at < bytes.length) {
    const tag = Number(varint());
    const no = tag >> 3;
    if ((tag & 7) === 0) fields.push({ no, value: varint() });
    else if ((tag & 7) === 2) {
      const length = Number(varint());
      if (at + length > bytes.length) throw new RangeError(`${length} bytes named, ${bytes.length - at} left`);
      const content = bytes.slice(at, at + length);
      at += length;
      fields.push({ no, value: nesting[no] === undefined ? content : readFields(content, nesting[no]) });
    } else throw new RangeError(`wire type ${tag & 7} is not rewritten`);
  }
  return fields;
}

/** The bytes of fields, in their order. */
export function writeFields(fields: readonly PbField[]): Uint8Array {
  const out: number[] = [];
  append(fields, out);
  return Uint8Array.from(out);
}

function append(fields: readonly PbField[], out: number[]): void {
  for (const { no, value } of fields) {
    if (typeof value === 'bigint') {
      appendVarint(BigInt(no * 8), out);
      appendVarint(value, out);
      continue;
    }
    let content = value as ArrayLike<number>;
    if (Array.isArray(value)) {
      const nested: number[] = [];
      append(value, nested);
      content = nested;
    }
    appendVarint(BigInt(no * 8 + 2), out);
    appendVarint(BigInt(content.length), out);
    for (let i = 0; i < content.length; i++) out.push(content[i]!);
  }
}

function appendVarint(value: bigint, out: number[]): void {
  let rest = BigInt.asUintN(64, value);
  while (rest > 127n) {
    out.push(Number(rest & 127n) | 128);
    rest >>= 7n;
  }
  out.push(Number(rest));
}

/** The numbers of a packed list. */
export function unpack(bytes: Uint8Array): bigint[] {
  const values: bigint[] = [];
  let value = 0n;
  let shift = 0n;
  for (const byte of bytes) {
    value |= BigInt(byte & 127) << shift;
    shift += 7n;
    if (byte < 128) {
      values.push(BigInt.asUintN(64, value));
      value = 0n;
      shift = 0n;
    }
  }
  return values;
}

/** A packed list of numbers. */
export function pack(values: readonly bigint[]): Uint8Array {
  const out: number[] = [];
  for (const value of values) appendVarint(value, out);
  return Uint8Array.from(out);
}
