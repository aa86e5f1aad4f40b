import { ByteReader, ByteWriter } from '@kiln/bytes';
import { readStep, writeStep } from '../columns.ts';
import { PartBytes } from '../part-bytes.ts';
import type { Codecs, Rollup } from '../tables.ts';
import { decodePages, encodePages } from './page-directory.ts';

/*
 * ROLLUP := n | n * rollup                                                                                  levels 1 and 2, the coarsest step first
 * rollup := step ms, 0 = all rows | nBuckets | n * bucket number, zigzag difference | dirLen | PAGEDIR[dirLen] | pages
 *           a page's rows are buckets; bucket b of step s holds times b * s to b * s + s - 1
 */

/** @param seed of the pages' checksums. */
export function encodeRollups(rollups: readonly Rollup[], codecs: Codecs, seed: number): Uint8Array {
  const w = new ByteWriter(1024);
  w.varint(rollups.length);
  for (const { stepMs, startMs, pages } of rollups) {
    w.varint(stepMs);
    w.varint(startMs.length);
    let last = 0;
    for (const start of startMs) {
      const number = stepMs === 0 ? 0 : start / stepMs;
      writeStep(w, number, last);
      last = number;
    }
    const rows = { series: new Uint32Array(startMs.length), timeMs: startMs };
    const { samples, directory } = encodePages(pages, rows, codecs, seed);
    w.varint(directory.length);
    w.bytes(directory);
    w.varint(samples.length);
    w.bytes(samples);
  }
  return w.view();
}

/**
 * @param coarser roll-ups of another section, whose steps these follow.
 * @throws CorruptDataError for steps that do not divide each other and buckets out of order, beside what is no bytes of this form.
 */
export function decodeRollups(
  payload: Uint8Array,
  codecs: Codecs,
  seed: number,
  coarser: readonly Rollup[] = [],
): Rollup[] {
  const r = new ByteReader(payload, 'section ROLLUP');
  const bytes = PartBytes.whole(payload);
  const rollups: Rollup[] = [];
  for (let left = r.count(5); left > 0; left--) {
    const stepMs = r.varint();
    const before = (rollups.at(-1) ?? coarser.at(-1))?.stepMs;
    if (before !== undefined && (stepMs === 0 || stepMs === before || before % stepMs !== 0))
      r.fail(`step of ${stepMs} ms behind one of ${before}`);
    const startMs = new Float64Array(r.count());
    let number = 0;
    for (let i = 0; i < startMs.length; i++) {
      const next = readStep(r, number);
      if (i > 0 && next <= number) r.fail(`bucket ${next} behind bucket ${number}`);
      number = next;
      startMs[i] = number * stepMs;
    }
    if (Math.abs(number * stepMs) > 2 ** 53) r.fail(`bucket ${number} of ${stepMs} ms is beyond 2^53`);
    if (stepMs === 0 && (startMs.length !== 1 || number !== 0)) r.fail('all rows in other than bucket 0');
    const directory = r.take(r.count());
    const samples = { off: 0, len: r.count() };
    samples.off = r.position;
    r.take(samples.len);
    rollups.push({ stepMs, startMs, pages: decodePages(directory, samples, bytes, startMs.length, codecs, seed) });
  }
  if (r.left > 0) r.fail(`${r.left} bytes behind the last roll-up`);
  return rollups;
}
