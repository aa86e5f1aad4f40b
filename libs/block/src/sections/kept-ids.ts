import { ByteReader, ByteWriter } from '@kiln/bytes';
import { plainBytes } from '../codec.ts';
import { readDeltas, readUints, writeDeltas, writeUints } from '../columns.ts';
import { readRegion, type RegionOwner } from '../region.ts';
import type { Codecs, KeptIds } from '../tables.ts';
import { KIND } from '../versions.ts';

/*
 * IDS := n | nWindows * windowMs | n * id 16 B | n * window no. | n * append ms, zigzag difference          level 0, in log order
 */
const ID_BYTES = 16;

export const IDS_OWNER: RegionOwner = { kind: KIND.ids, tenant: new Uint8Array(0), dataset: 0 };

export function encodeIds(ids: KeptIds): Uint8Array {
  const windows = new Map<number, number>();
  const number = new Uint32Array(ids.length);
  for (let i = 0; i < ids.length; i++) {
    const windowMs = ids.windowMs[i]!;
    const known = windows.get(windowMs);
    number[i] = known ?? windows.size;
    if (known === undefined) windows.set(windowMs, windows.size);
  }
  const w = new ByteWriter(64 + ids.length * (ID_BYTES + 2));
  w.varint(ids.length);
  w.varint(windows.size);
  for (const windowMs of windows.keys()) w.varint(windowMs);
  w.bytes(ids.id.subarray(0, ids.length * ID_BYTES));
  writeUints(w, number, ids.length);
  writeDeltas(w, ids.appendMs, 0, ids.length);
  return w.view();
}

/**
 * The ids that a segment keeps.
 * @param region idsOff .. idsOff + idsLen of the object.
 * @throws CorruptDataError.
 */
export function readIds(region: Uint8Array, codecs: Codecs): KeptIds {
  const bytes = plainBytes(region);
  const payload = readRegion(bytes, { off: 0, len: bytes.length }, IDS_OWNER, codecs);
  const r = new ByteReader(payload, 'section IDS');
  const length = r.count(ID_BYTES);
  const windows = new Float64Array(r.count());
  for (let i = 0; i < windows.length; i++) windows[i] = r.varint();
  const id = r.take(length * ID_BYTES);
  const number = readUints(r, length, windows.length, 'window');
  const windowMs = Float64Array.from(number, (window) => windows[window]!);
  const appendMs = new Float64Array(length);
  readDeltas(r, appendMs, 0, length);
  if (r.left > 0) r.fail(`${r.left} bytes behind the last id`);
  return { length, id, appendMs, windowMs };
}
