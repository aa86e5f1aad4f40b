import { KilnError } from '@kiln/model';

/** The flag of a frame whose content is compressed by `grpc-encoding`. */
export const COMPRESSED_FRAME = 1;
/** The flag of the frame that holds the trailers of gRPC-Web. */
export const TRAILER_FRAME = 128;
const HEAD_BYTES = 5;

/** A message as gRPC puts it into a body: flag u8, length u32 big endian, content. */
export function frame(flag: number, content: Uint8Array): Buffer {
  const framed = Buffer.allocUnsafe(HEAD_BYTES + content.length);
  framed[0] = flag;
  framed.writeUInt32BE(content.length, 1);
  framed.set(content, HEAD_BYTES);
  return framed;
}

/**
 * The one message of a unary body.
 * @throws KilnError `invalid_argument` for a broken frame, `unimplemented` for none or several (the gRPC protocol's rule for unary calls).
 */
export function unframe(body: Uint8Array): { compressed: boolean; content: Uint8Array } {
  if (body.length === 0) throw new KilnError('unimplemented', 'the call has no message: a unary call has one');
  if (body.length < HEAD_BYTES)
    throw new KilnError('invalid_argument', `the body ends after ${body.length} bytes of the 5 that head a message`);
  const view = new DataView(body.buffer, body.byteOffset, body.byteLength);
  const flag = view.getUint8(0);
  const length = view.getUint32(1);
  const left = body.length - HEAD_BYTES;
  if (flag > COMPRESSED_FRAME)
    throw new KilnError('invalid_argument', `the message has flag ${flag}: allowed are 0 and 1 (compressed)`);
  if (length > left)
    throw new KilnError('invalid_argument', `the message states ${length} bytes, the body has ${left} left`);
  if (length < left) throw new KilnError('unimplemented', 'the call has more than one message: a unary call has one');
  return { compressed: flag === COMPRESSED_FRAME, content: body.subarray(HEAD_BYTES) };
}
