import type { ProfileLimits } from '../limits.ts';
import { pprofType } from './pprof-message.ts';

interface NaiveMessage {
  sampleType: { type: string; unit: string }[];
  sample: { locationId: string[]; value: string[]; label: { key: string; str: string }[] }[];
  mapping: { id: string; filename: string; buildId: string }[];
  location: {
    id: string;
    mappingId: string;
    address: string;
    line: { functionId: string; line: string }[];
  }[];
  function: { id: string; name: string; systemName: string; filename: string }[];
  stringTable: string[];
}

/**
 * What a file means, read by protobufjs and the text of contract/pyroscope.md §4.3 and §4.4, slowly: sums by series labels of the samples and stack, as
 * JSON, or the reason to refuse it. Knows nothing of time, sizes, Go names, ids of spans.
 */
export function naiveOutcome(bytes: Uint8Array, limits: ProfileLimits): string {
  let message: NaiveMessage;
  try {
    message = pprofType.toObject(pprofType.decode(bytes), {
      longs: String,
      arrays: true,
      defaults: true,
    }) as NaiveMessage;
  } catch {
    return 'malformed_profile';
  }
  return isMalformed(message) ? 'malformed_profile' : sumsOf(message, limits);
}

function isMalformed({
  sampleType,
  sample,
  mapping,
  location,
  function: functions,
  stringTable,
}: NaiveMessage): boolean {
  const isOut = (row: string): boolean => BigInt(row) >= BigInt(stringTable.length);
  const isBad = (row: string): boolean => isOut(row) || BigInt(row) < 0n;
  return (
    sampleType.length === 0 ||
    stringTable.length === 0 ||
    stringTable[0] !== '' ||
    [...location, ...functions].some(({ id }) => id === '0') ||
    sample.some(({ value }) => value.length !== sampleType.length) ||
    sampleType.some(({ type, unit }) => isBad(type) || isBad(unit) || stringTable[Number(type)]!.includes('-')) ||
    sample.some(({ label }) => label.some(({ key, str }) => isBad(key) || isBad(str))) ||
    functions.some(({ name, systemName, filename }) => isOut(name) || isOut(systemName) || isOut(filename)) ||
    mapping.some(({ filename, buildId }) => isOut(filename) || isOut(buildId))
  );
}

function sumsOf(message: NaiveMessage, { maxStacktraceDepth }: ProfileLimits): string {
  const text = (row: string): string => message.stringTable[Number(row)] ?? '';
  const locations = new Map(message.location.map((location) => [location.id, location]));
  const functions = new Map(message.function.map((fn) => [fn.id, fn]));
  const mappings = new Set(message.mapping.map(({ id }) => id));
  const sums = new Map<string, bigint[]>();
  const totals = new Map<string, bigint[]>();
  for (const { locationId, value, label } of message.sample) {
    const values = value.map(BigInt);
    if (values.some((v) => v < 0n) || values.every((v) => v === 0n)) continue;
    const frames: string[] = [];
    let isValid = true;
    for (const id of locationId.slice(Math.max(0, locationId.length - maxStacktraceDepth))) {
      const location = locations.get(id);
      if (location === undefined || (location.mappingId !== '0' && !mappings.has(location.mappingId))) isValid = false;
      else if (location.line.length === 0 && location.address === '0') isValid = false;
      else if (location.line.some(({ functionId }) => !functions.has(functionId))) isValid = false;
      else if (location.line.length === 0) frames.push(`0x${BigInt(location.address).toString(16)}`);
      else frames.push(...location.line.map(({ functionId }) => text(functions.get(functionId)!.name)));
    }
    if (!isValid) continue;
    const labels = new Map(label.filter(({ str }) => str !== '0').map(({ key, str }) => [text(key), text(str)]));
    const series = JSON.stringify([...labels].filter(([, v]) => v !== '').sort(([a], [b]) => (a < b ? -1 : 1)));
    // Types of one name are one.
    const columns = new Map<string, bigint>();
    for (const [i, { type, unit }] of message.sampleType.entries()) {
      const name = `${text(type)}/${text(unit)}`;
      columns.set(name, (columns.get(name) ?? 0n) + values[i]!);
    }
    add(sums, `${series} ${frames.toReversed().join(';')}`, [...columns.values()]);
    add(totals, series, [...columns.values()]);
  }
  const isTooLarge = [...totals.values()].some((values) => values.some((v) => v >= 2n ** 63n));
  if (isTooLarge) return 'out_of_range';
  return JSON.stringify([...sums].map(([key, values]) => `${key} ${values.join(' ')}`).sort());
}

function add(into: Map<string, bigint[]>, key: string, values: readonly bigint[]): void {
  const known = into.get(key) ?? values.map(() => 0n);
  into.set(
    key,
    known.map((v, i) => v + values[i]!),
  );
}
