import { readFields, writeFields, type PbField } from './pprof-tree.ts';

const TIME_NANOS = 9;

/** `time_nanos` of a pprof that is not compressed; 0 when it has none. */
export function timeNanosOf(pprof: Uint8Array): bigint {
  const field = readFields(pprof, {}).findLast(({ no }) => no === TIME_NANOS);
  return typeof field?.value === 'bigint' ? BigInt.asIntN(64, field.value) : 0n;
}

/** The pprof (not compressed) with another `time_nanos`, everything else byte for byte. 0 leaves it out. */
export function withTimeNanos(pprof: Uint8Array, timeNanos: bigint): Uint8Array {
  const fields = readFields(pprof, {}).filter(({ no }) => no !== TIME_NANOS);
  if (timeNanos !== 0n) fields.push({ no: TIME_NANOS, value: timeNanos });
  return writeFields(fields);
}

/** Moves the time of a pprof to `nowMs`, to the second; its own part below the second stays (and decides whether it identifies itself). */
export function shiftedPprof(pprof: Uint8Array, nowMs: number): Uint8Array {
  const own = timeNanosOf(pprof) % 1_000_000_000n;
  return withTimeNanos(pprof, BigInt(Math.floor(nowMs / 1_000)) * 1_000_000_000n + own);
}

/** The query text of a captured `/ingest` with `from` and `until` moved so that `until` is `nowMs`, each in the unit it was sent in. */
export function shiftedQuery(query: string, nowMs: number): string {
  const params = new URLSearchParams(query);
  const until = params.get('until');
  const from = params.get('from');
  if (until === null || from === null) return query;
  const scale = 10n ** BigInt(until.length - 10);
  const now = BigInt(Math.floor(nowMs / 1_000)) * scale + (BigInt(until) % scale);
  params.set('until', String(now));
  params.set('from', String(now - BigInt(until) + BigInt(from)));
  return params.toString();
}

/** A PushRequest (not compressed) with every profile in it rewritten. */
export function mapPushProfiles(push: Uint8Array, rewrite: (profile: Uint8Array) => Uint8Array): Uint8Array {
  const fields = readFields(push, { 1: { 2: {} } });
  const inside = (value: PbField['value'], no: number): PbField[] => (value as PbField[]).filter((f) => f.no === no);
  for (const series of inside(fields, 1)) {
    for (const sample of inside(series.value, 2))
      for (const raw of inside(sample.value, 1)) raw.value = rewrite(raw.value as Uint8Array);
  }
  return writeFields(fields);
}
