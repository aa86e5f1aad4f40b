import { KilnError } from '@kiln/model';

const MAX_PARTS = 32;

/** What a form holds. */
interface Parts {
  /** File parts by name; of a repeated name the first counts. */
  readonly parts: ReadonlyMap<string, Uint8Array>;
  /** Names of plain form fields, whose content is ignored. */
  readonly fields: readonly string[];
}

/**
 * The parts of a multipart/form-data body (contract/pyroscope.md §3.3). Read by Node's own parser (RFC 7578, as fetch has it); the body is already bounded, so parts are.
 * @throws KilnError `invalid_argument` when the body is not what its content type says.
 */
export async function readParts(body: Uint8Array, contentType: string): Promise<Parts> {
  const form = await parse(body, contentType);
  const entries = [...form];
  if (entries.length > MAX_PARTS)
    throw refuse(`it has ${entries.length} parts, more than ${MAX_PARTS} parts are not read`);
  const parts = new Map<string, Uint8Array>();
  const fields: string[] = [];
  for (const [name, value] of entries) {
    if (typeof value === 'string') fields.push(name);
    else if (!parts.has(name)) parts.set(name, await value.bytes());
  }
  return { parts, fields };
}

async function parse(body: Uint8Array, contentType: string): Promise<FormData> {
  try {
    return await new Response(Buffer.from(body.buffer, body.byteOffset, body.byteLength), {
      headers: { 'Content-Type': contentType },
    }).formData();
  } catch (error) {
    throw refuse((error as Error).message, error);
  }
}

function refuse(found: string, cause?: unknown): KilnError {
  return new KilnError('invalid_argument', `body is not multipart/form-data as its content type says: ${found}`, {
    cause,
    reason: 'malformed_profile',
  });
}
