import { utf8 } from './pprof-message.ts';

/** One series of a PushRequest as it was sent. */
export interface PushMessageSeries {
  readonly labels: [string, string][];
  readonly samples: { profile: Uint8Array; id: string }[];
}

/**
 * Reads push.v1.PushRequest (contract §2.1) field by field. A known field in a foreign wire type is unknown and skipped.
 * @throws Error for bytes that are no message, and for text that is no UTF-8.
 */
export function readPush(bytes: Uint8Array): PushMessageSeries[] {
  return submessages(bytes, 1).map((series) => ({
    labels: submessages(series, 1).map((label): [string, string] => [lastText(label, 1), lastText(label, 2)]),
    samples: submessages(series, 2).map((sample) => ({
      profile: submessages(sample, 1).at(-1) ?? new Uint8Array(0),
      id: lastText(sample, 2),
    })),
  }));
}

function lastText(bytes: Uint8Array, field: number): string {
  let text = '';
  for (const value of submessages(bytes, field)) {
    const decoded = utf8(value);
    if (decoded === undefined) throw new Error(`field ${field} is no UTF-8`);
    text = decoded;
  }
  return text;
}

/** Contents of a length-delimited field, in order, after a look at every field of the message. */
function submessages(bytes: Uint8Array, wanted: number): Uint8Array[] {
  const found: Uint8Array[] = [];
  let at = 0;
  const varint = (): bigint => {
    let value = 0n;
    for (let i = 0; ; i++) {
      const byte = bytes[at++];
      if (byte === undefined || i === 10) throw new Error(`no varint at ${at}`);
      value |= BigInt(byte & 127) << BigInt(7 * i);
      if (byte < 128) return value;
    }
  };
  const take = (length: bigint): Uint8Array => {
    if (length > BigInt(bytes.length - at)) throw new Error(`${length} bytes named, ${bytes.length - at} left`);
    return bytes.subarray(at, (at += Number(length)));
  };
  while (at < bytes.length) {
    const tag = varint();
    const [field, wireType] = [tag >> 3n, tag & 7n];
    if (field === 0n || field >= 1n << 29n) throw new Error(`field number ${field}`);
    if (wireType === 0n) varint();
    else if (wireType === 1n) take(8n);
    else if (wireType === 5n) take(4n);
    else if (wireType === 2n) {
      const content = take(varint());
      if (field === BigInt(wanted)) found.push(content);
    } else throw new Error(`wire type ${wireType}`);
  }
  return found;
}
