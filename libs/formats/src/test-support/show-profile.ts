import { exactToBigInt, type Profile, type StackRow, type Symbols } from '@kiln/model';
import type { ProfileLimits } from '../limits.ts';

/** The limits of contract/pyroscope.md §6.1, as they come. */
export const limits: ProfileLimits = {
  maxLabelNameLength: 1024,
  maxLabelValueLength: 2048,
  maxLabelNamesPerSeries: 30,
  maxSessionsPerSeries: 0,
  disableLabelSanitization: true,
  maxProfileSizeBytes: 4 * 1024 * 1024,
  maxStacktraceSamples: 16_000,
  maxStacktraceSampleLabels: 100,
  maxStacktraceDepth: 1000,
  maxSymbolValueLength: 65_535,
  rejectOlderThanMs: 3_600_000,
  rejectNewerThanMs: 600_000,
};

export function textAt({ strings }: Symbols, row: number): string {
  return new TextDecoder('utf-8', { ignoreBOM: true }).decode(
    strings.bytes.subarray(strings.offsets[row]!, strings.offsets[row + 1]!),
  );
}

/** A stack as frames from root to leaf: `name` for a line, `0xaddress` for a location without. */
export function showStack(symbols: Symbols, stack: StackRow): string {
  const frames: string[] = [];
  const { locations, tree, functions } = symbols;
  for (let node = symbols.stacks.node[stack]!; node !== 0; node = tree.parent[node]!) {
    const location = tree.location[node]!;
    const from = locations.lineStart[location]!;
    const to = locations.lineStart[location + 1]!;
    for (let line = from; line < to; line++)
      frames.push(textAt(symbols, functions.name[locations.lineFunction[line]!]!));
    if (from === to)
      frames.push(
        `0x${((BigInt(locations.addressHi[location]!) << 32n) | BigInt(locations.addressLo[location]!)).toString(16)}`,
      );
  }
  return frames.toReversed().join(';');
}

/** Stacks with their values, sorted: `a;b 3 30`, a group of labels each. */
export function show(profile: Profile): Record<string, string[]> {
  const shown: Record<string, string[]> = {};
  for (const group of profile.groups) {
    const key = group.series.map(({ name, value }) => `${name}=${value}`).join(',');
    const lines = Array.from(group.stack.subarray(0, group.length), (stack, i) => {
      const values = group.values.map(({ lo, hi }) => exactToBigInt(lo[i]!, hi?.[i] ?? 0));
      return [showStack(profile.symbols, stack), ...values].join(' ');
    });
    shown[key] = [...(shown[key] ?? []), ...lines].sort();
  }
  return shown;
}
