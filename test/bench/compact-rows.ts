import { mergeDatasets, openPart, readDirectory, writeBlock, type DatasetTables } from '@kiln/block';
import { nodeCodecs } from '../../services/ingester/src/worker/node-codecs.ts';
import { interleave, ratio, row, type Effort, type Row } from './measure.ts';
import { append, gunzipAll, newHead, parse, seal, tenant, toRecord, type Push } from './pipeline.ts';

const HOUR_MS = 3_600_000;

/** Compaction of some minutes of one service: segments to an hour's block, that to a day's. Segments are cut each `perSegment` pushes. */
export function compactRows(pushes: readonly Push[], perSegment: number, effort: Effort): Row[] {
  const segments: Uint8Array[] = [];
  for (let from = 0; from < pushes.length; from += perSegment) {
    const head = newHead();
    for (const [i, push] of pushes.slice(from, from + perSegment).entries())
      append(head, toRecord(parse(push)!, from + i), from + i);
    segments.push(partOf(seal(head)));
  }
  const hour = compact(segments, 1, HOUR_MS);
  const day = compact([hour], 2, 24 * HOUR_MS);
  const pushed = pushes.reduce((sum, { gzip }) => sum + gzip.length, 0);
  const bytesOf = (parts: readonly Uint8Array[]): number => parts.reduce((sum, { length }) => sum + length, 0);
  const times = interleave(effort, {
    gunzip: () => gunzipAll(pushes),
    all: () => compact([compact(segments, 1, HOUR_MS)], 2, 24 * HOUR_MS),
    hour: () => compact(segments, 1, HOUR_MS),
  });
  const note = `${pushes.length} profiles in ${segments.length} segments of ${Math.round(bytesOf(segments) / pushes.length)} B a profile`;
  return [
    ratio('compaction, all levels', times.all, times.gunzip, 'G', 0.8, note),
    ratio('  segments to the block of an hour', times.hour, times.gunzip, 'G'),
    row('compacted, bytes per profile', [day.length / pushes.length], 'B'),
    row('compacted, bytes over pushed gzip bytes', [day.length / pushed], '×', 0.03),
  ];
}

/** The one block that some parts are merged into, as a part. */
function compact(parts: readonly Uint8Array[], level: 1 | 2, windowMs: number): Uint8Array {
  const sources = parts.flatMap((part) =>
    openPart(part, tenant, nodeCodecs).datasets.map((dataset) => dataset.tables()),
  );
  const datasets: DatasetTables[] = [];
  for (const own of Map.groupBy(sources, ({ name }) => name).values())
    datasets.push(
      ...mergeDatasets(own, (timeMs) => Math.floor(timeMs / windowMs) * windowMs, 7, nodeCodecs).windows.values(),
    );
  return partOf(writeBlock({ level, blockId: new Uint8Array(16), tenant, datasets }, nodeCodecs).bytes);
}

function partOf(object: Uint8Array): Uint8Array {
  const { off, len } = readDirectory(object, nodeCodecs, object.length).entries[0]!;
  return object.subarray(off, off + len);
}
