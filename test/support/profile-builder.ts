import { PbWriter } from './pb-writer.ts';

/** A sample before it is numbered: frames leaf first, values per type, string labels. */
export interface BuiltSample {
  readonly frames: readonly BuiltFrame[];
  readonly values: readonly bigint[];
  readonly labels?: readonly (readonly [string, string])[];
  /** Numeric labels. */
  readonly numbers?: readonly (readonly [string, bigint])[];
}

/** A frame: a function with its line, or (when `address` is set and `name` is not) an address in a binary. */
export interface BuiltFrame {
  readonly name?: string;
  readonly systemName?: string;
  readonly file?: string;
  readonly startLine?: number;
  readonly line?: number;
  readonly binary?: string;
  readonly buildId?: string;
  readonly address?: bigint;
  /** Functions inlined into this one's location, innermost first; they come before it. */
  readonly inlined?: readonly BuiltFrame[];
  /** A location that does not exist: a sample of it is invalid. */
  readonly dangling?: boolean;
}

export interface BuiltProfile {
  readonly types: readonly (readonly [string, string])[];
  readonly periodType?: readonly [string, string];
  readonly period?: bigint;
  readonly timeNanos?: bigint;
  readonly durationNanos?: bigint;
  readonly samples: readonly BuiltSample[];
  /** Names used here and there only; written with no one to point at them. */
  readonly comments?: readonly string[];
}

/** pprof bytes, not compressed, in the field order of Go's writer: types, samples, mappings, locations, functions, strings. */
export function buildPprof(profile: BuiltProfile): Uint8Array {
  const strings = new Numbers<string>(0);
  strings.of('');
  const functions = new Numbers<string>(1);
  const functionRows: { name: number; system: number; file: number; start: number }[] = [];
  const mappings = new Numbers<string>(1);
  const mappingRows: { file: number; build: number; functions: boolean }[] = [];
  const locations = new Numbers<string>(1);
  const locationRows: { mapping: number; address: bigint; lines: [number, number][] }[] = [];

  const functionOf = (f: BuiltFrame): number => {
    const id = functions.of(`${f.name}\n${f.systemName ?? ''}\n${f.file ?? ''}\n${f.startLine ?? 0}`);
    if (id > functionRows.length) {
      functionRows.push({
        name: strings.of(f.name!),
        system: strings.of(f.systemName ?? ''),
        file: strings.of(f.file ?? ''),
        start: f.startLine ?? 0,
      });
    }
    return id;
  };
  const locationOf = (f: BuiltFrame): number => {
    if (f.dangling === true) return 1_000_000;
    let mapping = 0;
    if (f.binary !== undefined) {
      mapping = mappings.of(`${f.binary}\n${f.buildId ?? ''}`);
      if (mapping > mappingRows.length) {
        mappingRows.push({
          file: strings.of(f.binary),
          build: strings.of(f.buildId ?? ''),
          functions: f.name !== undefined,
        });
      }
    }
    const lines = [...(f.inlined ?? []), f]
      .filter((l) => l.name !== undefined)
      .map((l): [number, number] => [functionOf(l), l.line ?? 0]);
    const id = locations.of(`${mapping}\n${f.address ?? 0n}\n${lines.join(' ')}`);
    if (id > locationRows.length) locationRows.push({ mapping, address: f.address ?? 0n, lines });
    return id;
  };

  const out = new PbWriter();
  for (const [type, unit] of profile.types)
    out.message(1, (m) => m.number(1, strings.of(type)).number(2, strings.of(unit)));
  for (const { frames, values, labels, numbers } of profile.samples) {
    const ids = frames.map(locationOf);
    out.message(2, (m) => {
      m.packed(1, ids).packed(2, values);
      for (const [key, value] of labels ?? [])
        m.message(3, (l) => l.number(1, strings.of(key)).number(2, strings.of(value)));
      for (const [key, value] of numbers ?? []) m.message(3, (l) => l.number(1, strings.of(key)).number(3, value));
    });
  }
  for (const [i, { file, build, functions: has }] of mappingRows.entries()) {
    const start = BigInt(0x400000 + i * 0x1000000);
    out.message(3, (m) =>
      m
        .number(1, i + 1)
        .number(2, start)
        .number(3, start + 0x800000n)
        .number(5, file)
        .number(6, build)
        .number(7, has ? 1 : 0),
    );
  }
  for (const [i, { mapping, address, lines }] of locationRows.entries()) {
    out.message(4, (m) => {
      m.number(1, i + 1)
        .number(2, mapping)
        .number(3, address);
      for (const [fn, line] of lines) m.message(4, (l) => l.number(1, fn).number(2, line));
    });
  }
  for (const [i, { name, system, file, start }] of functionRows.entries()) {
    out.message(5, (m) =>
      m
        .number(1, i + 1)
        .number(2, name)
        .number(3, system)
        .number(4, file)
        .number(5, start),
    );
  }
  const period = profile.periodType?.map((text) => strings.of(text));
  const comments = (profile.comments ?? []).map((text) => strings.of(text));
  for (const text of strings.all) out.bytes(6, Buffer.from(text));
  out.number(9, profile.timeNanos ?? 0n).number(10, profile.durationNanos ?? 0n);
  if (period !== undefined) out.message(11, (m) => m.number(1, period[0]!).number(2, period[1]!));
  out.number(12, profile.period ?? 0n);
  if (comments.length > 0) out.packed(13, comments);
  return out.finish();
}

/**
 * A profile from a drawing, one stack a line, root first: `main;work;leaf 12`, several values `3,4`, labels behind them in braces:
 * `a;b 3 {user=x}`. A frame `name@file:12` has file and line, `?` does not exist, `[/lib/libc.so]0x1f` is an address in a binary.
 */
export function drawnPprof(drawing: string, options: Partial<BuiltProfile> = {}): Uint8Array {
  const samples = drawing
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '')
    .map((line): BuiltSample => {
      const [, stack, values, labels] = /^(.*?) (-?\d+(?:,-?\d+)*)(?: \{([^}]*)\})?$/.exec(line) ?? [];
      if (stack === undefined || values === undefined) throw new Error(`cannot read the drawing's line: ${line}`);
      return {
        frames: splitStack(stack).map(drawnFrame).reverse(),
        values: values.split(',').map(BigInt),
        labels: (labels ?? '')
          .split(',')
          .filter((pair) => pair !== '')
          .map((pair) => pair.split('=') as [string, string]),
      };
    });
  return buildPprof({ types: [['cpu', 'nanoseconds']], samples, ...options });
}

/** Splits at `;`, but not inside brackets. */
function splitStack(stack: string): string[] {
  return stack === '-' ? [] : stack.split(/;(?![^[]*\])/);
}

function drawnFrame(text: string): BuiltFrame {
  if (text === '?') return { dangling: true };
  const native = /^\[([^\]]*)\]0x([0-9a-f]+)$/.exec(text);
  if (native !== null) return { binary: native[1]!, address: BigInt(`0x${native[2]!}`) };
  const placed = /^(.*)@([^@]*):(\d+)$/.exec(text);
  return placed === null ? { name: text } : { name: placed[1]!, file: placed[2]!, line: Number(placed[3]) };
}

/** Things by key, numbered from `first` in order of arrival. */
class Numbers<K> {
  readonly #ids = new Map<K, number>();
  readonly #first: number;

  constructor(first: number) {
    this.#first = first;
  }

  of(key: K): number {
    let id = this.#ids.get(key);
    if (id === undefined) this.#ids.set(key, (id = this.#ids.size + this.#first));
    return id;
  }

  get all(): IterableIterator<K> {
    return this.#ids.keys();
  }
}
