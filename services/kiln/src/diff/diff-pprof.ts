import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { ProfileSchema, type PprofMessage } from '@kiln/rpc';

/**
 * One pprof of a profile less another, as `go tool pprof -base` makes it: the samples of the base with their values negated beside those of the other.
 * @param base, now google.v1.Profile; empty for no profiles.
 */
export function diffPprof(base: Uint8Array, now: Uint8Array): Uint8Array {
  const [less, more] = [base, now].map((bytes) => fromBinary(ProfileSchema, bytes)) as [PprofMessage, PprofMessage];
  if (less.sample.length === 0) return now;
  const joined = more.stringTable.length === 0 ? { ...less, sample: [] } : more;
  const by = {
    text: BigInt(joined.stringTable.length),
    mapping: last(joined.mapping),
    location: last(joined.location),
    function: last(joined.function),
  };
  const text = (row: bigint): bigint => (row === 0n ? 0n : row + by.text);
  const result = create(ProfileSchema, {
    ...joined,
    stringTable: [...joined.stringTable, ...less.stringTable],
    mapping: [
      ...joined.mapping,
      ...less.mapping.map((one) => ({
        ...one,
        id: one.id + by.mapping,
        filename: text(one.filename),
        buildId: text(one.buildId),
      })),
    ],
    function: [
      ...joined.function,
      ...less.function.map((one) => ({
        ...one,
        id: one.id + by.function,
        name: text(one.name),
        systemName: text(one.systemName),
        filename: text(one.filename),
      })),
    ],
    location: [
      ...joined.location,
      ...less.location.map((one) => ({
        ...one,
        id: one.id + by.location,
        mappingId: one.mappingId === 0n ? 0n : one.mappingId + by.mapping,
        line: one.line.map((line) => ({ ...line, functionId: line.functionId + by.function })),
      })),
    ],
    sample: [
      ...joined.sample,
      ...less.sample.map((one) => ({
        ...one,
        locationId: one.locationId.map((id) => id + by.location),
        value: one.value.map((value) => -value),
      })),
    ],
  });
  return toBinary(ProfileSchema, result);
}

/** The largest id of a table. */
function last(table: readonly { readonly id: bigint }[]): bigint {
  return table.reduce((most, { id }) => (id > most ? id : most), 0n);
}
