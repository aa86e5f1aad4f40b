import { readdir, readFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { decodeRecord, openPart, readDirectory, type DatasetTables } from '@kiln/block';
import type { LabelSet, StringColumn } from '@kiln/model';
import { nodeCodecs } from '../../services/ingester/src/worker/node-codecs.ts';

/** A word that only one tenant ever sends, in names of functions and in labels. */
export interface Marker {
  readonly tenant: string;
  readonly word: string;
}

/**
 * Searches a data directory for words where they do not belong: every byte of every file. What a record or a part of an object says belongs to the tenant
 * that its own head names and is decoded as that tenant's; everything else (manifests, directories, ids, registers) may hold no marker at all.
 * @returns sentences; empty when all is well.
 */
export async function findLeaks(dataDir: string, markers: readonly Marker[]): Promise<string[]> {
  const leaks: string[] = [];
  const foreign = (where: string, owner: string | undefined, text: string): void => {
    for (const { tenant, word } of markers) {
      if (tenant !== owner && text.includes(word))
        leaks.push(
          `${where}: "${word}" of ${tenant} in ${owner === undefined ? 'no tenant’s bytes' : `bytes of ${owner}`}`,
        );
    }
  };
  for (const entry of await readdir(dataDir, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath, entry.name);
    const name = relative(dataDir, path);
    // An upload under way: half an object has no owners yet. A stopped server leaves none, which the callers check.
    if (name.startsWith('objects/+tmp/')) continue;
    // The log lets go of files while this looks.
    const bytes = await readFile(path).then(
      (content) => new Uint8Array(content),
      () => undefined,
    );
    if (bytes === undefined) continue;
    if (/^objects\/(log\/[^/]+\/s|tenants\/[^/]+\/b)\//.test(name)) searchObject(name, bytes, foreign);
    else if (/^log\/\d+\/\d+\.log$/.test(name)) searchLog(name, bytes, foreign);
    else foreign(name, undefined, Buffer.from(bytes).toString('latin1'));
  }
  return leaks;
}

type Found = (where: string, owner: string | undefined, text: string) => void;

/** The parts of a segment or block by owner, decoded; the rest of its bytes as they are. Stored bytes of a part are searched too: not all are compressed. */
export function searchObject(name: string, bytes: Uint8Array, found: Found): void {
  const { entries } = readDirectory(bytes, nodeCodecs, bytes.length);
  const rest = Uint8Array.from(bytes);
  for (const { tenant, off, len } of entries) {
    const part = bytes.subarray(off, off + len);
    rest.fill(0, off, off + len);
    found(name, tenant, Buffer.from(part).toString('latin1'));
    for (const dataset of openPart(part, tenant, nodeCodecs).datasets) found(name, tenant, wordsOf(dataset.tables()));
  }
  found(name, undefined, Buffer.from(rest).toString('latin1'));
}

const FRAME_HEAD = 16;

/** Frames of a log file: length u32 (its top bit is a flag), crc u32, append ms u64, record. */
function searchLog(name: string, bytes: Uint8Array, found: Found): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let at = 0; at + FRAME_HEAD <= bytes.length;) {
    const length = view.getUint32(at, true) & 0x7fffffff;
    if (length === 0 || at + FRAME_HEAD + length > bytes.length) return;
    const record = decodeRecord(bytes.subarray(at + FRAME_HEAD, at + FRAME_HEAD + length), nodeCodecs);
    const words = record.datasets.map(({ service, name: kind, series }) =>
      [service, kind, ...series.map(labelsOf)].join(' '),
    );
    found(`${name} at byte ${at}`, record.tenant, `${words.join(' ')} ${stringsOf(record.symbols.strings)}`);
    at += FRAME_HEAD + length;
  }
}

function wordsOf({ service, name, series, symbols }: DatasetTables): string {
  return [service, name, ...series.map(labelsOf), stringsOf(symbols.strings)].join(' ');
}

function labelsOf(labels: LabelSet): string {
  return labels.map(({ name, value }) => `${name}=${value}`).join(' ');
}

function stringsOf({ bytes, offsets, length }: StringColumn): string {
  return Buffer.from(bytes.subarray(0, offsets[length])).toString('latin1');
}
