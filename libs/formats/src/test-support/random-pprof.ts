import { ByteWriter } from '@kiln/bytes';

/** Numbers that follow from a seed. */
export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = (Math.imul(seed, 0x9e3779b1) ^ 0x6a09e667) >>> 0;
  }

  /** A whole number in [0, below). */
  below(below: number): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let x = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1);
    x ^= x + Math.imul(x ^ (x >>> 7), x | 61);
    return ((x ^ (x >>> 14)) >>> 0) % below;
  }

  chance(one: number): boolean {
    return this.below(one) === 0;
  }

  pick<T>(from: readonly T[]): T {
    return from[this.below(from.length)]!;
  }
}

type Field = readonly [no: number, value: bigint | Uint8Array];

/**
 * A small pprof with few names, ids and stacks, so that everything meets everything: fields in any order, lists packed, unpacked and split, unknown
 * fields, long varints, sparse and 64-bit ids, repeated ids, negative and huge values. About one in four has a fault.
 */
export function randomPprof(random: Random): Uint8Array {
  // Most files are clean but for one thing.
  const fault = random.chance(4) ? random.below(13) : -1;
  const strings = ['', 'cpu', 'ns', 'x', 'y', 'größe', 'a', 'b', 'c', 'a'];
  const isSparse = random.chance(4);
  const id = (row: number): bigint =>
    isSparse ? BigInt(row) * 0x1_0000_0007n + (row === 3 ? 2n ** 63n : 0n) : BigInt(row);
  const string = (): bigint => BigInt(random.below(strings.length));
  const types = 1 + random.below(3);
  const groups: Field[][] = [];
  const many = (count: number, make: (i: number) => Field): void =>
    void groups.push(Array.from({ length: count }, (_, i) => make(i)));

  many(types, () => [
    1,
    write(random, [
      [1, fault === 0 ? 99n : BigInt(1 + random.below(4))],
      [2, string()],
    ]),
  ]);
  many(random.below(10), (i) => [2, sample(random, types, fault, i, id, strings.length)]);
  many(random.below(3), (i) => [
    3,
    write(random, [
      [1, id(i + 1)],
      [2, 4096n],
      [5, fault === 1 ? 99n : string()],
      [6, string()],
      [7, BigInt(random.below(2))],
    ]),
  ]);
  many(6, (i) => {
    const fields: Field[] = [[1, fault === 2 && i === 5 ? 0n : id(random.chance(12) ? 1 : i + 1)]];
    if (random.chance(2)) fields.push([2, id(random.below(random.chance(5) ? 9 : 2))]);
    if (random.chance(2)) fields.push([3, random.chance(3) ? 2n ** 64n - 1n : 0x40000n + string()]);
    for (let line = random.below(3); line > 0; line--) {
      const functionId = id(1 + random.below(random.chance(9) ? 9 : 5));
      fields.push([
        4,
        write(random, [
          [1, functionId],
          [2, BigInt.asUintN(64, BigInt(random.below(40)) - 3n)],
        ]),
      ]);
    }
    return [4, write(random, fields)];
  });
  many(5, (i) => [
    5,
    write(random, [
      [1, fault === 3 && i === 4 ? 0n : id(i + 1)],
      [2, fault === 4 ? 99n : random.chance(9) ? BigInt.asUintN(64, -2n) : string()],
      [3, fault === 5 ? 2n ** 40n : string()],
      [4, string()],
    ]),
  ]);
  const texts =
    fault === 6
      ? ['x', ...strings]
      : fault === 7
        ? []
        : fault === 8
          ? strings.map((s) => (s === 'x' ? 'x-y' : s))
          : strings;
  many(texts.length, (i) => [6, encoder.encode(texts[i])]);
  const fields = merged(random, groups);
  const bytes = write(random, fields, false);
  return fault === 9 ? bytes.slice(0, random.below(bytes.length)) : bytes;
}

const encoder = new TextEncoder();

function sample(
  random: Random,
  types: number,
  fault: number,
  row: number,
  id: (row: number) => bigint,
  strings: number,
): Uint8Array {
  const fields: Field[] = [];
  const depth = random.chance(9) ? 0 : random.below(9);
  const ids = Array.from({ length: depth }, () => id(1 + random.below(random.chance(12) ? 9 : 5)));
  const count = fault === 10 && row === 1 ? types + 1 - 2 * random.below(2) : types;
  const values = Array.from({ length: count }, () => value(random));
  fields.push(...list(random, 1, ids), ...list(random, 2, values));
  for (let i = random.chance(3) ? random.below(4) : 0; i > 0; i--) {
    const key = fault === 11 ? BigInt(strings) : BigInt(3 + random.below(4));
    const text = fault === 12 ? 2n ** 64n - 1n : BigInt(random.below(9));
    fields.push([
      3,
      write(random, [
        [1, key],
        [2, text],
        [3, BigInt(random.below(3))],
      ]),
    ]);
  }
  return write(random, fields, false);
}

function value(random: Random): bigint {
  if (random.chance(25)) return BigInt.asUintN(64, -1n - BigInt(random.below(1000)));
  if (random.chance(40)) return 2n ** 63n - 1n - BigInt(random.below(3));
  if (random.chance(12)) return 2n ** BigInt(50 + random.below(11)) + BigInt(random.below(5));
  return BigInt(random.below(random.chance(4) ? 1 : 100_000));
}

/** A repeated number: packed, one by one, or in pieces. */
function list(random: Random, no: number, values: readonly bigint[]): Field[] {
  if (random.chance(3)) return values.map((v) => [no, v]);
  const cut = random.chance(5) ? random.below(values.length + 1) : values.length;
  const pieces = [values.slice(0, cut), values.slice(cut)].filter((piece) => piece.length > 0);
  return pieces.map((piece) => [no, packed(piece)]);
}

function packed(values: readonly bigint[]): Uint8Array {
  const out = new ByteWriter(64);
  for (const v of values) varint(out, v, false);
  return out.toBytes();
}

/** Order within a field number stays, as rows are counted by it; between numbers anything goes. */
function merged(random: Random, groups: Field[][]): Field[] {
  if (random.chance(2)) return groups.flat();
  const left = groups.map((group) => [...group]).filter((group) => group.length > 0);
  const out: Field[] = [];
  while (left.length > 0) {
    const at = random.below(left.length);
    out.push(left[at]!.shift()!);
    if (left[at]!.length === 0) left.splice(at, 1);
  }
  return out;
}

/** @param isFree whether the order of fields may change: not where a number repeats. */
function write(random: Random, fields: readonly Field[], isFree = true): Uint8Array {
  const out = new ByteWriter(128);
  const numbers = new Set(fields.map(([no]) => no));
  const ordered = isFree && numbers.size === fields.length && random.chance(3) ? fields.toReversed() : fields;
  for (const [no, content] of ordered) {
    if (random.chance(40)) unknown(random, out);
    // proto3 leaves zeros out, mostly.
    if (content === 0n && no !== 2 && random.chance(2)) continue;
    varint(out, BigInt(no * 8 + (typeof content === 'bigint' ? 0 : 2)), random.chance(60));
    if (typeof content === 'bigint') varint(out, content, random.chance(30));
    else {
      varint(out, BigInt(content.length), random.chance(60));
      out.bytes(content);
    }
  }
  return out.toBytes();
}

function unknown(random: Random, out: ByteWriter): void {
  const type = random.pick([0, 1, 2, 5]);
  varint(out, BigInt((100 + random.below(50)) * 8 + type), false);
  if (type === 0) varint(out, BigInt(random.below(100_000)), false);
  else if (type === 2) {
    out.u8(3);
    out.bytes(Uint8Array.of(8, 1, 255));
  } else out.zeros(type === 1 ? 8 : 4);
}

/** @param isLong with more bytes than needed, as some writers do. */
function varint(out: ByteWriter, number: bigint, isLong: boolean): void {
  let rest = number;
  while (rest > 127n) {
    out.u8(Number(rest & 127n) | 128);
    rest >>= 7n;
  }
  if (!isLong || number > 2n ** 40n) {
    out.u8(Number(rest));
    return;
  }
  out.u8(Number(rest) | 128);
  out.u8(128);
  out.u8(0);
}
