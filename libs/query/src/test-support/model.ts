import { profileTypeId, type Label, type ValueType } from '@kiln/model';

/** Profile data as a person would write it down: the input of both the engine (through tables.ts) and the oracle. */
export interface ModelDataset {
  readonly service: string;
  readonly name: string;
  readonly types: readonly ValueType[];
  readonly rows: readonly ModelRow[];
}

export interface ModelRow {
  readonly timeMs: number;
  /** First half of the profile's id, 16 hex digits; absent = 0. */
  readonly id?: string;
  /** Stored labels but `__name__` and `service_name`. */
  readonly labels: readonly Label[];
  readonly samples: readonly ModelSample[];
}

export interface ModelSample {
  /** Root first. */
  readonly stack: readonly ModelLocation[];
  /** One per value type. */
  readonly values: readonly bigint[];
  /** 16 hex digits. */
  readonly spanId?: string | undefined;
  /** 32 hex digits. */
  readonly traceId?: string | undefined;
}

export interface ModelLocation {
  readonly binary: string;
  readonly address: bigint;
  /** Function names, innermost first. */
  readonly lines: readonly string[];
}

/** A stacktrace drawn as text: `main;run;work`, root first; `a|b` is one location where b is inlined into a; `!0x1f` one without lines. */
export function stack(text: string): ModelLocation[] {
  if (text === '') return [];
  return text
    .split(';')
    .map((part) =>
      part.startsWith('!')
        ? { binary: '/usr/bin/app', address: BigInt(part.slice(1)), lines: [] }
        : { binary: '/usr/bin/app', address: 0n, lines: part.split('|').toReversed() },
    );
}

export const CPU: ValueType = { type: 'cpu', unit: 'nanoseconds', periodType: 'cpu', periodUnit: 'nanoseconds' };

/** A dataset of one CPU profile from drawings of stacktraces with their values. */
export function cpuDataset(samples: Readonly<Record<string, bigint>>, timeMs = 1000): ModelDataset {
  return {
    service: 'api',
    name: 'process_cpu',
    types: [CPU],
    rows: [
      {
        timeMs,
        labels: [],
        samples: Object.entries(samples).map(([text, value]) => ({ stack: stack(text), values: [value] })),
      },
    ],
  };
}

export const CPU_ID: string = profileTypeId('process_cpu', CPU);
