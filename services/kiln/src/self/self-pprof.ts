import { ByteWriter } from '@kiln/bytes';
import type { CpuNode, CpuProfile } from '@kiln/threads';
import { message, text } from '../push-message.ts';
import type { ModuleNames } from './module-names.ts';

/**
 * What threads did as pprof (google.v1.Profile): samples/count and cpu/nanoseconds, with the thread as a label of every sample, which makes it a series.
 * @param profiles one or more, of the same time: that of the first is the time of the pprof.
 */
export function selfPprof(profiles: readonly CpuProfile[], names: ModuleNames, sampleMs: number): Uint8Array {
  const [{ startMs, durationMs }] = profiles as [CpuProfile];
  const strings = new Map<string, number>([['', 0]]);
  const rowOf = (one: string): number => {
    const row = strings.get(one) ?? strings.size;
    strings.set(one, row);
    return row;
  };
  const out = new ByteWriter(4096);
  message(out, 1, numbers([1, rowOf('samples')], [2, rowOf('count')]));
  message(out, 1, numbers([1, rowOf('cpu')], [2, rowOf('nanoseconds')]));
  const functions = new Map<string, number>();
  const functionOf = (node: CpuNode): number => {
    const key = JSON.stringify([node.name, node.url, node.line]);
    const id = functions.get(key) ?? functions.size + 1;
    functions.set(key, id);
    return id;
  };
  for (const { thread, nodes } of profiles) {
    const label = numbers([1, rowOf('thread')], [2, rowOf(thread)]);
    const idOf = nodes.map(functionOf);
    for (const [i, { samples, cpuMicros }] of nodes.entries()) {
      if (samples === 0 && cpuMicros === 0) continue;
      const path: number[] = [];
      for (let at = i; at >= 0; at = nodes[at]!.parent) path.push(idOf[at]!);
      const sample = new ByteWriter();
      message(sample, 1, packed(path));
      message(sample, 2, packed([samples, cpuMicros * 1000]));
      message(sample, 3, label);
      message(out, 2, sample.view());
    }
  }
  for (const [key, id] of functions) {
    const [name, url, at] = JSON.parse(key) as [string, string, number];
    const { file, line } = names.placeOf(url, at);
    const location = new ByteWriter();
    location.bytes(numbers([1, id]));
    message(location, 4, numbers([1, id], [2, line]));
    message(out, 4, location.view());
    const fields = [
      [1, id],
      [2, rowOf(name || '(anonymous)')],
      [4, rowOf(file)],
      [5, line],
    ] as const;
    message(out, 5, numbers(...fields));
  }
  const timeNanos = BigInt(startMs) * 1_000_000n;
  out.varint(9 * 8);
  out.varintExact(Number(timeNanos & 0xfffffffffffffn), Number(timeNanos >> 52n));
  out.bytes(numbers([10, durationMs * 1_000_000]));
  message(out, 11, numbers([1, rowOf('cpu')], [2, rowOf('nanoseconds')]));
  out.bytes(numbers([12, sampleMs * 1_000_000]));
  for (const one of strings.keys()) text(out, 6, one);
  return out.toBytes();
}

function numbers(...fields: readonly (readonly [number, number])[]): Uint8Array {
  const out = new ByteWriter(32);
  for (const [field, value] of fields) {
    if (value === 0) continue;
    out.varint(field * 8);
    out.varint(value);
  }
  return out.toBytes();
}

function packed(values: readonly number[]): Uint8Array {
  const out = new ByteWriter(32);
  for (const value of values) out.varint(value);
  return out.toBytes();
}
