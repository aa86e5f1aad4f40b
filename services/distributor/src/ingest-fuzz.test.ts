import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { KilnError } from '@kiln/model';
import { readIngestRequest } from './ingest-request.ts';

const runs = process.env['KILN_LONG'] === '1' ? 10_000 : 1_000;
const boundary = 'kilnboundary';
const type = `multipart/form-data; boundary=${boundary}`;

/** A good form of `/ingest`, with its parts. */
const part = fc.record({
  name: fc.constantFrom('profile', 'sample_type_config', 'prev_profile', 'other', ''),
  fileName: fc.option(fc.constantFrom('profile.pprof', 'x', '')),
  content: fc.oneof(
    fc.uint8Array({ maxLength: 80 }),
    fc.constant(Buffer.from('{"cpu":{"units":"samples"}}')),
    fc.constant(new Uint8Array(0)),
  ),
});

function form(parts: { name: string; fileName: string | null; content: Uint8Array }[]): Buffer {
  const chunks = parts.flatMap(({ name, fileName, content }) => [
    Buffer.from(
      `--${boundary}\r\nContent-Disposition: form-data; name="${name}"${fileName === null ? '' : `; filename="${fileName}"`}\r\n\r\n`,
    ),
    Buffer.from(content),
    Buffer.from('\r\n'),
  ]);
  return Buffer.concat([...chunks, Buffer.from(`--${boundary}--\r\n`)]);
}

/** What reading comes to: `read`, or the status that the client gets. Anything but a KilnError fails the test; a hang runs into its time-out. */
async function outcome(url: string, contentType: string, body: Uint8Array): Promise<string> {
  try {
    await readIngestRequest(url, contentType, 1_800_000_000_000_000_000n).read(body);
    return 'read';
  } catch (error) {
    if (error instanceof KilnError) return String(error.httpStatus ?? error.code);
    throw error;
  }
}

const good = ['read', 'invalid_argument', '422', '415'];

describe('an /ingest request', { timeout: 300_000 }, () => {
  test('of any parts, cut or changed anywhere, is read or refused', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(part, { maxLength: 4 }),
        fc.array(fc.tuple(fc.nat(2_000), fc.nat(255)), { maxLength: 3 }),
        fc.nat(3_000),
        async (parts, changes, end) => {
          const body = form(parts).subarray(0, end + 2);
          for (const [at, byte] of changes) if (at < body.length) body[at] = byte;
          expect(good).toContain(await outcome('/ingest?name=app', type, body));
        },
      ),
      { numRuns: runs },
    );
  });

  test('of any query and content type is read or refused', async () => {
    const word = fc.oneof(
      fc.string({ maxLength: 30 }),
      fc.constantFrom('pprof', 'jfr', 'app{a=b}', 'app{a=b,', '1700000000', 'now-1h', '%', '{}', '='),
    );
    const query = fc.dictionary(
      fc.constantFrom('name', 'from', 'until', 'format', 'spyName', 'sampleRate', 'units', 'x'),
      word,
    );
    const types = fc.oneof(
      fc.constantFrom('', type, 'multipart/form-data', 'multipart/form-data; boundary=', 'binary/octet-stream+trie'),
      fc.string(),
    );
    await fc.assert(
      fc.asyncProperty(query, types, fc.uint8Array({ maxLength: 60 }), async (params, contentType, body) => {
        const encoded = new URLSearchParams(params).toString();
        expect(good).toContain(await outcome(`/ingest?${encoded}`, contentType, body));
        expect(good).toContain(
          await outcome(`/ingest?${decodeURIComponent(encoded.replaceAll('%', '%25'))}`, contentType, body),
        );
      }),
      { numRuns: runs },
    );
  });
});
