import { encodePprof } from '@kiln/formats';
import { KilnError, profileTypeId } from '@kiln/model';
import { joinPprofTypes, type PprofResult } from '@kiln/query';

/** What Go's tools show unless told: CPU time, memory in use, delay. */
const SHOWN = ['cpu', 'inuse_space', 'delay'];

/** Period of a merged profile, which no longer has one of its own: what clients expect by name (contract/pyroscope.md §5.12). */
const periods: Readonly<Record<string, bigint>> = { process_cpu: 1_000_000_000n, memory: 524_288n };

/**
 * Value types of one name as one pprof, not compressed, in their order.
 * @param results one or more. @param endMs becomes the time of the profile.
 * @throws KilnError `invalid_argument` when they do not share a period type, of which a pprof has one.
 */
export function mergedPprof(results: readonly PprofResult[], endMs: number): Uint8Array {
  const [{ type }] = results as [PprofResult];
  const other = results.find(({ type: { periodType, periodUnit } }) => {
    return periodType !== type.periodType || periodUnit !== type.periodUnit;
  });
  if (other !== undefined) {
    const ids = [profileTypeId(type.name, type), profileTypeId(other.type.name, other.type)];
    throw new KilnError(
      'invalid_argument',
      `one pprof has one period type, and ${ids.join(' and ')} have two: ask for one of them by its whole name`,
    );
  }
  const { symbols, values } =
    results.length === 1 ? { symbols: results[0]!.symbols, values: [results[0]!.values] } : joinPprofTypes(results);
  const shown = results.findIndex(({ type: { type: sample } }) => SHOWN.includes(sample));
  return encodePprof({
    symbols,
    shown: Math.max(0, shown),
    types: results.map(({ type: { type: sample, unit } }, i) => ({ type: sample, unit, values: values[i]! })),
    periodType: { type: type.periodType, unit: type.periodUnit },
    period: periods[type.name] ?? 1n,
    timeNanos: BigInt(endMs) * 1_000_000n,
    durationNanos: 0n,
  });
}
