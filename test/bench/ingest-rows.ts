import { openPart, readDirectory } from '@kiln/block';
import { nodeCodecs } from '../../services/ingester/src/worker/node-codecs.ts';
import { gunzipSized } from '../../services/distributor/src/body.ts';
import { interleave, ratio, row, type Effort, type Row } from './measure.ts';
import {
  append,
  blockOf,
  gunzipAll,
  ingestAll,
  newHead,
  parse,
  samplesOf,
  seal,
  symbols,
  tenant,
  toRecord,
  type Push,
} from './pipeline.ts';

/** Ingest and seal over the seeded corpus, in G of the same bytes. */
export function corpusRows(pushes: readonly Push[], effort: Effort): Row[] {
  const profiles = pushes.map((push) => parse(push)!);
  const records = profiles.map(toRecord);
  const full = ingestAll(pushes);
  const times = interleave(effort, {
    gunzip: () => gunzipAll(pushes),
    ingest: () => ingestAll(pushes),
    parse: () => pushes.forEach((push) => parse(push, symbols)),
    distributor: () => pushes.forEach((push, i) => toRecord(parse(push, symbols)!, i)),
    ingester: () => {
      const head = newHead();
      for (const [i, record] of records.entries()) append(head, record, i);
    },
    seal: () => seal(full),
  });
  const { gunzip } = times;
  return [
    row(
      'G: gunzip of one push, 1 / 2 profiles',
      gunzip.map((ms) => (ms * 1_000) / pushes.length),
      'µs',
    ),
    ratio('ingest: pushed bytes to head', times.ingest, gunzip, 'G', 2.6),
    ratio('  gunzip, decode, normalise', times.parse, gunzip, 'G'),
    ratio(
      '  distributor: gunzip, decode, normalise, record',
      times.distributor,
      gunzip,
      'G',
      3.5,
      'target of a cluster',
    ),
    ratio('  ingester: record to head', times.ingester, gunzip, 'G', 1.7, 'target of a cluster'),
    ratio('seal and symbols', times.seal, gunzip, 'G', 0.25),
  ];
}

const SERVICES = 4_000;

function ofService({ labels }: Push, i: number): Push['labels'] {
  return labels.map(({ name, value }) => ({ name, value: name === 'service_name' ? `service-${i}` : value }));
}

/** Head and level-0 bytes; sizes do not vary, so one round tells. */
export function sizeRows(pushes: readonly Push[], slice: readonly Push[], small: Push): Row[] {
  const head = newHead();
  const profiles = pushes.map((push) => parse(push)!);
  const half = Math.floor(profiles.length / 2);
  let samples = 0;
  let halfBytes = 0;
  for (const [i, profile] of profiles.entries()) {
    if (i === half) halfBytes = head.byteLength;
    if (i >= half) samples += samplesOf(profile);
    append(head, toRecord(profile, i), i);
  }
  const one = ingestAll([small]);
  const many = ingestAll(Array.from({ length: SERVICES }, (_, i) => ({ ...small, labels: ofService(small, i) })));
  const block = blockOf(many).length;
  const object = seal(ingestAll(slice));
  const pushed = slice.reduce((sum, { gzip }) => sum + gzip.length, 0);
  return [
    row(
      'head, per further profile and stack',
      [(head.byteLength - halfBytes) / samples],
      'B',
      undefined,
      'new symbols included',
    ),
    row(
      'head of one profile of 50 samples, of 4,000 services',
      [many.byteLength / SERVICES],
      'B',
      8_192,
      `the last 256 as they came; alone it is ${one.byteLength} B, its strings ${parse(small)!.symbols.strings.bytes.length} B`,
    ),
    row('block of one profile of 50 samples, of 4,000 services', [block / SERVICES], 'B', 8_192),
    row('L0 bytes per profile, 15 s of 20 pods', [object.length / slice.length], 'B'),
    row('L0 bytes over pushed gzip bytes, same', [object.length / pushed], '×', 0.1),
  ];
}

/** A profile that a real profiler wrote. */
export interface RealFile extends Push {
  readonly name: string;
  /** The ratio of design engine.md §1.3 and 15 %, where it names this file. */
  readonly target?: number;
}

const REAL_ROUND_BYTES = 1_000_000;

/** Every real file, over its own sized gunzip. */
export function realRows(files: readonly RealFile[], effort: Effort): Row[] {
  return files.map((file) => {
    // Enough of them that a round of either takes milliseconds.
    const repeat = Math.ceil(REAL_ROUND_BYTES / (file.gzip.length + 4_096));
    const plain = file.gzip[0] !== 0x1f;
    const gzip = file.gzip;
    const pushes = Array.from({ length: repeat }, () => file);
    const times = interleave(effort, {
      gunzip: () => {
        for (let i = 0; i < repeat; i++) if (!plain) gunzipSized(gzip, 1 << 30);
      },
      ingest: () => ingestAll(pushes),
    });
    const name = `real: ${file.name}`;
    if (plain)
      return row(
        name,
        times.ingest.map((ms) => (ms * 1_000) / repeat),
        'µs',
        undefined,
        'not compressed',
      );
    return ratio(name, times.ingest, times.gunzip, 'own G', file.target);
  });
}

/** Whether an object reads back; the bench is no test, but a broken object would be measured as a fast one. */
export function checkObject(bytes: Uint8Array): void {
  const { entries } = readDirectory(bytes, nodeCodecs, bytes.length);
  for (const { off, len } of entries) openPart(bytes.subarray(off, off + len), tenant, nodeCodecs);
  if (entries.length === 0) throw new Error('the object of the bench is empty');
}
