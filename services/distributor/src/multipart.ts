import { Busboy } from '@fastify/busboy';
import { KilnError } from '@kiln/model';

const MAX_PARTS = 32;

/**
 * The file parts of a multipart/form-data body by field name; plain form fields are ignored, of a repeated name the first counts
 * (contract/pyroscope.md §3.3). The body is already bounded, so parts are.
 * @throws KilnError `invalid_argument` when the body is not what its content type says.
 */
export function readFileParts(body: Uint8Array, contentType: string): Promise<Map<string, Uint8Array>> {
  return new Promise((resolve, reject) => {
    const refuse = (error: unknown): void =>
      reject(
        new KilnError(
          'invalid_argument',
          `body is not multipart/form-data as its content type says: ${(error as Error).message}`,
          {
            cause: error,
            reason: 'malformed_profile',
          },
        ),
      );
    const parts = new Map<string, Uint8Array>();
    let parser: ReturnType<typeof Busboy>;
    try {
      parser = Busboy({
        headers: { 'content-type': contentType },
        limits: { parts: MAX_PARTS, fieldSize: 64 * 1024, fileSize: body.length },
        isPartAFile: (_name, _type, fileName) => fileName !== undefined,
      });
    } catch (error) {
      refuse(error);
      return;
    }
    parser.on('file', (name, stream) => {
      const chunks: Buffer[] = [];
      stream.on('data', (chunk: Buffer) => chunks.push(chunk));
      stream.on('error', refuse);
      stream.on('end', () => {
        if (!parts.has(name)) parts.set(name, chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks));
      });
    });
    parser.on('partsLimit', () => refuse(new Error(`more than ${MAX_PARTS} parts`)));
    parser.on('error', refuse);
    parser.on('finish', () => resolve(parts));
    parser.end(Buffer.from(body.buffer, body.byteOffset, body.byteLength));
  });
}
