/** The smallest pprof that says something: one sample type, stacks of names, leaf first, with a value each. Written apart from the product. */
export function tinyPprof(options: {
  readonly type: string;
  readonly unit: string;
  readonly timeNanos: bigint;
  readonly stacks: readonly { readonly frames: readonly string[]; readonly value: bigint }[];
}): Uint8Array {
  const strings = [''];
  const stringOf = (text: string): number => {
    const at = strings.indexOf(text);
    return at >= 0 ? at : strings.push(text) - 1;
  };
  const functions = [...new Set(options.stacks.flatMap(({ frames }) => frames))];
  const samples = options.stacks.map(({ frames, value }) =>
    message(2, [
      packed(
        1,
        frames.map((frame) => BigInt(functions.indexOf(frame) + 1)),
      ),
      packed(2, [value]),
    ]),
  );
  const parts = [
    message(1, [number(1, stringOf(options.type)), number(2, stringOf(options.unit))]),
    ...samples,
    ...functions.flatMap((name, i) => [
      message(4, [number(1, i + 1), message(4, [number(1, i + 1), number(2, 10 + i)])]),
      message(5, [number(1, i + 1), number(2, stringOf(name)), number(4, stringOf('app.x'))]),
    ]),
    number(9, options.timeNanos),
    number(10, 10_000_000_000n),
  ];
  return bytes([...parts, ...strings.map((text) => field(6, [...Buffer.from(text)]))]);
}

/** push.v1.PushRequest of one series per entry. */
export function pushRequest(
  series: readonly { labels: Readonly<Record<string, string>>; profiles: readonly Uint8Array[] }[],
): Uint8Array {
  return bytes(
    series.map(({ labels, profiles }) =>
      message(1, [
        ...Object.entries(labels).map(([name, value]) =>
          message(1, [field(1, [...Buffer.from(name)]), field(2, [...Buffer.from(value)])]),
        ),
        ...profiles.map((profile) => message(2, [field(1, [...profile])])),
      ]),
    ),
  );
}

function bytes(parts: readonly number[][]): Uint8Array {
  return Uint8Array.from(parts.flat());
}

function varint(value: bigint | number): number[] {
  const out: number[] = [];
  for (let rest = BigInt.asUintN(64, BigInt(value)); ; rest >>= 7n) {
    if (rest < 128n) return [...out, Number(rest)];
    out.push(Number(rest & 127n) | 128);
  }
}

function number(no: number, value: bigint | number): number[] {
  return [...varint(no * 8), ...varint(value)];
}

function field(no: number, content: number[]): number[] {
  return [...varint(no * 8 + 2), ...varint(content.length), ...content];
}

function message(no: number, parts: readonly number[][]): number[] {
  return field(no, parts.flat());
}

function packed(no: number, values: readonly bigint[]): number[] {
  return field(no, values.flatMap(varint));
}
