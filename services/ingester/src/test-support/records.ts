import { RecordBuilder, SymbolTable } from '@kiln/block';
import {
  labelSet,
  type ExactColumn,
  type Profile,
  type SampleGroup,
  type SpanColumns,
  type TenantId,
  type ValueType,
} from '@kiln/model';
import { createHash } from 'node:crypto';
import { nodeCodecs } from '../worker/node-codecs.ts';

/** A profile as a test writes it down: stacks are `root;…;leaf`, one value per type. */
export interface Drawing {
  readonly service?: string;
  readonly name?: string;
  readonly types?: readonly string[];
  readonly timeMs?: number;
  /** Further labels of all its rows. */
  readonly labels?: Readonly<Record<string, string>>;
  /** One row per group: its own labels and its samples. */
  readonly groups: readonly DrawnGroup[];
  /** What the profile id is made of; equal texts are copies. */
  readonly id: string;
}

interface DrawnGroup {
  readonly labels?: Readonly<Record<string, string>>;
  readonly samples: Readonly<Record<string, readonly (number | bigint)[]>>;
  /** Span id by stack. */
  readonly spans?: Readonly<Record<string, bigint>>;
}

const CPU: readonly string[] = ['cpu:nanoseconds'];

/** `type:unit` with period cpu:nanoseconds. */
function valueType(text: string): ValueType {
  const [type = '', unit = ''] = text.split(':');
  return { type, unit, periodType: 'cpu', periodUnit: 'nanoseconds' };
}

/** One record of some profiles of one tenant. */
export function recordOf(tenant: string, drawings: readonly Drawing[], windowMs = 4_260_000): Uint8Array {
  const builder = new RecordBuilder({ tenant: tenant as TenantId, receivedMs: 1, windowMs });
  for (const drawing of drawings) builder.add(profileOf(drawing), idOf(drawing.id));
  return builder.finish(nodeCodecs);
}

export function idOf(text: string): Uint8Array {
  return new Uint8Array(createHash('sha256').update(text).digest().subarray(0, 16));
}

export function profileOf(drawing: Drawing): Profile {
  const { service = 'shop', name = 'process_cpu', types = CPU, timeMs = 1_700_000_000_000 } = drawing;
  const table = new SymbolTable();
  const groups = drawing.groups.map(({ labels, samples, spans }): SampleGroup => {
    const all = { ...drawing.labels, ...labels, __name__: name, service_name: service };
    const stacks = Object.keys(samples).map((text) => [stackOf(table, text), text] as const);
    stacks.sort(([a], [b]) => a - b);
    const values = types.map((_, t) => exactColumn(stacks.map(([, text]) => BigInt(samples[text]![t]!))));
    return {
      series: labelSet(Object.entries(all).map(([key, value]) => ({ name: key, value }))),
      length: stacks.length,
      stack: Uint32Array.from(stacks, ([row]) => row),
      values,
      spans: spans === undefined ? undefined : spanColumns(table, samples, spans, types.length),
    };
  });
  return {
    service,
    name,
    types: types.map(valueType),
    timeNanos: BigInt(timeMs) * 1_000_000n,
    durationNanos: 0n,
    symbols: table.symbols(),
    groups,
  };
}

function spanColumns(
  table: SymbolTable,
  samples: DrawnGroup['samples'],
  spans: Readonly<Record<string, bigint>>,
  types: number,
): SpanColumns {
  const entries = Object.entries(spans);
  return {
    length: entries.length,
    stack: Uint32Array.from(entries, ([text]) => stackOf(table, text)),
    spanId: BigUint64Array.from(entries, ([, id]) => id),
    traceIdHi: new BigUint64Array(entries.length),
    traceIdLo: BigUint64Array.from(entries, ([, id]) => id + 1n),
    values: Array.from({ length: types }, (_, t) => exactColumn(entries.map(([text]) => BigInt(samples[text]![t]!)))),
  };
}

function exactColumn(values: readonly bigint[]): ExactColumn {
  const hi = Float64Array.from(values, (value) => Number(value >> 52n));
  return {
    lo: Float64Array.from(values, (value) => Number(value & 0xfffffffffffffn)),
    hi: hi.some((part) => part !== 0) ? hi : undefined,
  };
}

function stackOf(table: SymbolTable, text: string): number {
  const mapping = table.mappings.intern(0n, 0n, 0n, 0, 0, 0);
  let node = 0;
  for (const frame of text.split(';')) {
    const name = table.internString(frame);
    const line = table.functions.intern(name, name, table.internString(`${frame}.go`), 0);
    const location = table.locations.intern(mapping, 0, 0, Uint32Array.of(line), Float64Array.of(7), 1);
    node = table.tree.intern(node, location);
  }
  return table.stacks.intern(node);
}
