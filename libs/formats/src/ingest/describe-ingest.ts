import type { Label } from '@kiln/model';
import { checkSampleTypes } from '../pprof/check.ts';
import { textOf, type Pprof } from '../pprof/pprof.ts';
import type { FunctionNames } from '../symbol-resolver.ts';
import type { IngestName } from './ingest-name.ts';
import { metricNameFor, type SampleTypeConfig } from './sample-type-config.ts';

/** What the query of `/ingest` says beside the name. */
export interface IngestSource extends IngestName {
  /** `spyName`, `unknown` when not sent. */
  readonly spy: string;
  /** Unix nanoseconds. */
  readonly fromNanos: bigint;
  /** `from` as sent, where that is no time and something else was taken for it. */
  readonly unreadFrom?: string;
}

/** A pprof as `/ingest` means it: mended where a client is known to need it, with its labels. */
export interface IngestedPprof {
  readonly pprof: Pprof;
  readonly labels: readonly Label[];
  readonly names: FunctionNames;
}

/** Times before this are no time of a profile, but a count from somewhere else. */
export const YEAR_1971_NANOS = 31_536_000_000_000_000n;

/**
 * Applies contract/pyroscope.md §3.3 to a decoded pprof: `__name__` from the sample types, series labels, the fixes by spy.
 * @throws KilnError `invalid_argument` for sample types that no name can be made from: the client sent none, so that is not what is missing.
 */
export function describeIngest(
  decoded: Pprof,
  source: IngestSource,
  config: SampleTypeConfig | undefined,
): IngestedPprof {
  checkSampleTypes(decoded);
  const isDotnet = source.spy === 'dotnetspy' || (source.spy === 'unknown' && config?.has('inuse-space') === true);
  let pprof = decoded.timeNanos < YEAR_1971_NANOS ? { ...decoded, timeNanos: source.fromNanos } : decoded;
  if (isDotnet) pprof = mendDotnet(pprof);
  const types = pprof.sampleTypes.map(({ type }) => textOf(pprof, type));
  const names = Object.hasOwn(namesBySpy, source.spy) ? namesBySpy[source.spy]! : 'as sent';
  return { pprof, labels: labelsOf(source, metricNameFor(types, config)), names };
}

/** Scripting languages tell functions apart by file: the name gets the file in front; py-spy does not where the file is absolute. */
const namesBySpy: Readonly<Record<string, FunctionNames>> = {
  pyspy: 'relative file first',
  rbspy: 'file first',
  scripting: 'file first',
};

function labelsOf({ app, labels, spy }: IngestSource, metric: string): Label[] {
  const hasService = labels.some(({ name }) => name === 'service_name');
  return [
    { name: '__name__', value: metric },
    { name: '__delta__', value: 'false' },
    { name: 'pyroscope_spy', value: spy },
    ...(hasService ? [] : [{ name: 'service_name', value: app }]),
    ...labels,
  ];
}

/** .NET sends functions without ids, counted from 1 by the lines that refer to them, and sample types with "-". */
function mendDotnet(pprof: Pprof): Pprof {
  const { functions, bytes, strings } = pprof;
  let isNumbered = false;
  for (let row = 0; row < functions.length; row++) {
    if ((functions.idLo[row]! | functions.idHi[row]!) !== 0) isNumbered = true;
  }
  const idLo = isNumbered ? functions.idLo : Int32Array.from({ length: functions.length }, (_, row) => row + 1);
  // The bytes belong to the request: a copy is mended, so that a retry of the same content keeps its digest.
  const mended = bytes.slice();
  for (const { type } of pprof.sampleTypes) {
    if (type < 0 || type >= strings.length) continue;
    for (let i = strings.from[type]!; i < strings.to[type]!; i++) if (mended[i] === DASH) mended[i] = UNDERSCORE;
  }
  return { ...pprof, bytes: mended, functions: { ...functions, idLo } };
}

const DASH = 0x2d;
const UNDERSCORE = 0x5f;
