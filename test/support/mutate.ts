import { pack, pprofNesting, readFields, unpack, writeFields, type PbField } from './pprof-tree.ts';
import { pick, pickIndex, type Random } from './seeded-random.ts';

/** What was done to a file, for the report of a difference. */
export interface Mutated {
  readonly bytes: Uint8Array;
  readonly steps: readonly string[];
}

const SAMPLE = 2;
const MAPPING = 3;
const LOCATION = 4;
const FUNCTION = 5;
const STRING = 6;
const TIME = 9;

type Step = (fields: PbField[], random: Random) => string | undefined;

/** Changes that a profile mostly survives: every sum must still agree. */
const gentle: readonly Step[] = [
  function shuffleOrder(fields, random) {
    for (let i = fields.length - 1; i > 0; i--) {
      const j = pickIndex(random, i + 1);
      // Strings keep their order: they are numbered by it.
      if (fields[i]!.no !== STRING && fields[j]!.no !== STRING) [fields[i], fields[j]] = [fields[j]!, fields[i]!];
    }
    return 'top-level order';
  },
  function stringsFirst(fields) {
    const strings = fields.filter(({ no }) => no === STRING);
    const rest = fields.filter(({ no }) => no !== STRING);
    fields.splice(0, fields.length, ...strings, ...rest);
    return 'strings first';
  },
  function unpackLists(fields, random) {
    for (const sample of fields.filter(({ no }) => no === SAMPLE)) {
      if (random() < 0.5) continue;
      const inner = sample.value as PbField[];
      sample.value = inner.flatMap((f) =>
        f.no <= 2 && f.value instanceof Uint8Array
          ? unpack(f.value).map((value): PbField => ({ no: f.no, value }))
          : [f],
      );
    }
    return 'unpacked lists';
  },
  function splitPacked(fields, random) {
    return onSample(fields, random, (inner) => {
      const at = inner.findIndex((f) => f.no <= 2 && f.value instanceof Uint8Array);
      if (at < 0) return undefined;
      const { no, value } = inner[at]!;
      const values = unpack(value as Uint8Array);
      const cut = pickIndex(random, values.length + 1);
      inner.splice(at, 1, { no, value: pack(values.slice(0, cut)) }, { no, value: pack(values.slice(cut)) });
      return 'packed list in two pieces';
    });
  },
  function innerOrder(fields, random) {
    const messages = fields.filter((f) => Array.isArray(f.value));
    if (messages.length === 0) return undefined;
    const message = pick(random, messages);
    (message.value as PbField[]).reverse();
    return `inner order of field ${message.no}`;
  },
  function duplicateSample(fields, random) {
    const samples = fields.filter(({ no }) => no === SAMPLE);
    if (samples.length === 0) return undefined;
    fields.push(structuredClone(pick(random, samples)));
    return 'a sample twice';
  },
  function dropSample(fields, random) {
    return dropOne(fields, random, SAMPLE);
  },
  function changeValue(fields, random) {
    return onList(fields, random, 2, (values) => {
      values[pickIndex(random, values.length)] = pick(random, [
        0n,
        1n,
        7n,
        1n << 31n,
        1n << 52n,
        (1n << 53n) + 1n,
        1n << 61n,
      ]);
      return 'a value';
    });
  },
  function negativeValue(fields, random) {
    return onList(fields, random, 2, (values) => {
      values[pickIndex(random, values.length)] = BigInt.asUintN(64, pick(random, [-1n, -(1n << 63n), -5_000_000n]));
      return 'a negative value';
    });
  },
  function zeroValues(fields, random) {
    return onList(fields, random, 2, (values) => {
      values.fill(0n);
      return 'values all zero';
    });
  },
  function shareStack(fields, random) {
    const lists = fields
      .filter(({ no }) => no === SAMPLE)
      .flatMap((s) => (s.value as PbField[]).filter((f) => f.no === 1 && f.value instanceof Uint8Array));
    if (lists.length < 2) return undefined;
    pick(random, lists).value = pick(random, lists).value;
    return 'two samples with one stack';
  },
  function cutStack(fields, random) {
    return onList(fields, random, 1, (ids) => {
      ids.splice(pickIndex(random, ids.length), 1 + pickIndex(random, 3));
      return 'a shorter stack';
    });
  },
  function danglingLocation(fields, random) {
    return onList(fields, random, 1, (ids) => {
      ids[pickIndex(random, ids.length)] = pick(random, [0n, 1n << 40n, (1n << 64n) - 1n, 999_999n]);
      return 'a location id that points nowhere';
    });
  },
  function dropLocation(fields, random) {
    return dropOne(fields, random, LOCATION);
  },
  function dropFunction(fields, random) {
    return dropOne(fields, random, FUNCTION);
  },
  function dropMapping(fields, random) {
    return dropOne(fields, random, MAPPING);
  },
  function swapLocations(fields, random) {
    const locations = fields.filter(({ no }) => no === LOCATION);
    if (locations.length < 2) return undefined;
    const [a, b] = [pick(random, locations), pick(random, locations)];
    [a.value, b.value] = [b.value, a.value];
    return 'locations swapped';
  },
  function renumberSparse(fields, random) {
    const factor = pick(random, [2n, 1_000n, 1n << 33n, (1n << 40n) + 1n]);
    for (const { no, value } of fields) {
      if (no === LOCATION) scale(value as PbField[], 1, factor);
      if (no === SAMPLE) {
        for (const f of value as PbField[]) {
          if (f.no === 1 && f.value instanceof Uint8Array) f.value = pack(unpack(f.value).map((id) => id * factor));
          else if (f.no === 1) f.value = BigInt.asUintN(64, (f.value as bigint) * factor);
        }
      }
    }
    return `location ids times ${factor}`;
  },
  function lineNumber(fields, random) {
    return onField(fields, random, LOCATION, (inner) => {
      const line = inner.find((f) => f.no === 4);
      if (line === undefined) return undefined;
      setNumber(line.value as PbField[], 2, pick(random, [0n, 1n, 70_000n, 1n << 31n, BigInt.asUintN(64, -3n)]));
      return 'a line number';
    });
  },
  function moreLines(fields, random) {
    return onField(fields, random, LOCATION, (inner) => {
      const line = inner.find((f) => f.no === 4);
      if (line === undefined) return undefined;
      inner.push(structuredClone(line));
      return 'a line twice (inlined)';
    });
  },
  function dropLines(fields, random) {
    return onField(fields, random, LOCATION, (inner) => {
      inner.splice(0, inner.length, ...inner.filter((f) => f.no !== 4));
      return 'a location without lines';
    });
  },
  function mappingOf(fields, random) {
    return onField(fields, random, LOCATION, (inner) => {
      setNumber(inner, 2, pick(random, [0n, 1n, 2n, 77n]));
      return 'a mapping id';
    });
  },
  function stringOfFunction(fields, random) {
    const strings = fields.filter(({ no }) => no === STRING).length;
    return onField(fields, random, FUNCTION, (inner) => {
      setNumber(inner, pick(random, [2, 3, 4]), BigInt(pickIndex(random, strings)));
      return 'a string of a function';
    });
  },
  function negativeString(fields, random) {
    return onField(fields, random, FUNCTION, (inner) => {
      setNumber(inner, pick(random, [2, 3, 4]), BigInt.asUintN(64, -7n));
      return 'a negative string of a function';
    });
  },
  function numericLabel(fields, random) {
    return addLabel(fields, random, (key) => [
      { no: 1, value: key },
      { no: 3, value: 4_096n },
    ]);
  },
  function stringLabel(fields, random) {
    return addLabel(fields, random, (key, str) => [
      { no: 1, value: key },
      { no: 2, value: str },
    ]);
  },
  function idLabel(fields, random) {
    const name = pick(random, ['profile_id', 'span_id', 'trace_id']);
    const digits = name === 'trace_id' ? 32 : pick(random, [16, 16, 16, 15, 17]);
    const id = Array.from({ length: digits }, () => '0123456789abcdef'[pickIndex(random, 16)]).join('');
    return addLabel(fields, random, () => {
      const [key, str] = [addString(fields, name), addString(fields, id)];
      return [
        { no: 1, value: key },
        { no: 2, value: str },
      ];
    });
  },
  function unknownField(fields, random) {
    fields.splice(
      pickIndex(random, fields.length),
      0,
      pick<PbField>(random, [
        { no: 99, value: 5n },
        { no: 50, value: Uint8Array.of(1, 2, 3) },
      ]),
    );
    return 'an unknown field';
  },
  function foreignWireType(fields, random) {
    return onField(fields, random, pick(random, [LOCATION, FUNCTION, MAPPING]), (inner, no) => {
      inner.push({ no: pick(random, [1, 2, 3]), value: Uint8Array.of(1, 2) });
      return `a number of field ${no} as bytes`;
    });
  },
  function periodType(fields, random) {
    const at = fields.findIndex(({ no }) => no === 11);
    if (at >= 0 && random() < 0.5) fields.splice(at, 1);
    else fields.push({ no: 11, value: [{ no: 1, value: pick(random, [0n, 1n, 1n << 33n, BigInt.asUintN(64, -1n)]) }] });
    return 'the period type';
  },
  function otherString(fields, random) {
    const strings = fields.filter(({ no }) => no === STRING).slice(1);
    if (strings.length === 0) return undefined;
    pick(random, strings).value = Buffer.from(
      pick(random, ['', 'x', 'ünï', '日本語', '\u{1f525}', 'a'.repeat(300), 'other', 'total', 'f[go.shape.int].g']),
    );
    return 'a string';
  },
];

/** Changes that mostly have a verdict of their own. */
const harsh: readonly Step[] = [
  function valueCount(fields, random) {
    return onList(fields, random, 2, (values) => {
      if (random() < 0.5) values.push(3n);
      else values.pop();
      return 'number of values';
    });
  },
  function dropSampleType(fields, random) {
    return dropOne(fields, random, 1);
  },
  function stringOutOfRange(fields, random) {
    return onField(fields, random, pick(random, [1, FUNCTION, MAPPING]), (inner, no) => {
      const target = no === 1 ? 1 : no === FUNCTION ? pick(random, [2, 3, 4]) : pick(random, [5, 6]);
      setNumber(inner, target, pick(random, [1n << 20n, 1n << 32n, (1n << 63n) - 1n]));
      return `a string out of range in field ${no}`;
    });
  },
  function negativeTypeString(fields, random) {
    return onField(fields, random, 1, (inner) => {
      setNumber(inner, pick(random, [1, 2]), BigInt.asUintN(64, -1n));
      return 'a negative string of a sample type';
    });
  },
  function idZero(fields, random) {
    return onField(fields, random, pick(random, [LOCATION, FUNCTION]), (inner, no) => {
      setNumber(inner, 1, 0n);
      return `id 0 in field ${no}`;
    });
  },
  function firstString(fields, random) {
    const first = fields.find(({ no }) => no === STRING);
    if (first === undefined) return undefined;
    first.value = Buffer.from(pick(random, ['x', 'cpu']));
    return 'first string not empty';
  },
  function noStrings(fields) {
    fields.splice(0, fields.length, ...fields.filter(({ no }) => no !== STRING));
    return 'no strings';
  },
  function brokenUtf8(fields, random) {
    const strings = fields.filter(({ no }) => no === STRING).slice(1);
    if (strings.length === 0) return undefined;
    pick(random, strings).value = pick(random, [
      Uint8Array.of(0xc3),
      Uint8Array.of(0xff, 0x41),
      Uint8Array.of(0xed, 0xa0, 0x80),
      Uint8Array.of(0xc0, 0x80),
    ]);
    return 'a string that is no UTF-8';
  },
  function dashInType(fields, random) {
    const index = addString(fields, 'wall-time');
    return onField(fields, random, 1, (inner) => {
      setNumber(inner, 1, index);
      return 'a dash in a sample type';
    });
  },
  function farTime(fields, random) {
    const rest = fields.filter(({ no }) => no !== TIME);
    fields.splice(0, fields.length, ...rest, {
      no: TIME,
      value: BigInt.asUintN(64, pick(random, [1n, (1n << 63n) - 1n, -5n, 0n])),
    });
    return 'a time far away';
  },
  function hugeValue(fields, random) {
    return onList(fields, random, 2, (values) => {
      values.fill((1n << 63n) - 1n);
      return 'values at the end of int64';
    });
  },
  function labelOutOfRange(fields, random) {
    return addLabel(fields, random, (key) => [
      { no: 1, value: key },
      { no: 2, value: pick(random, [1n << 30n, BigInt.asUintN(64, -2n)]) },
    ]);
  },
];

/**
 * Mutates a pprof (not compressed) in one to three steps on its fields, most of them gentle, so that at least half of the files stay acceptable; one in
 * a hundred is cut short instead.
 */
export function mutatePprof(bytes: Uint8Array, random: Random): Mutated {
  if (random() < 0.01) {
    const length = pickIndex(random, bytes.length);
    return { bytes: bytes.slice(0, length), steps: [`cut at ${length}`] };
  }
  const fields = readFields(bytes, pprofNesting);
  const steps: string[] = [];
  for (let i = 1 + pickIndex(random, 3); i > 0; i--) {
    const step = pick(random, random() < 0.85 ? gentle : harsh);
    const done = step(fields, random);
    if (done !== undefined) steps.push(done);
  }
  return { bytes: writeFields(fields), steps };
}

function onField(
  fields: PbField[],
  random: Random,
  no: number,
  change: (inner: PbField[], no: number) => string | undefined,
): string | undefined {
  const found = fields.filter((f) => f.no === no);
  return found.length === 0 ? undefined : change(pick(random, found).value as PbField[], no);
}

function onSample(
  fields: PbField[],
  random: Random,
  change: (inner: PbField[]) => string | undefined,
): string | undefined {
  return onField(fields, random, SAMPLE, change);
}

function onList(
  fields: PbField[],
  random: Random,
  no: number,
  change: (values: bigint[]) => string,
): string | undefined {
  return onSample(fields, random, (inner) => {
    const list = inner.find((f) => f.no === no && f.value instanceof Uint8Array);
    if (list === undefined) return undefined;
    const values = unpack(list.value as Uint8Array);
    if (values.length === 0) return undefined;
    const done = change(values);
    list.value = pack(values);
    return done;
  });
}

function dropOne(fields: PbField[], random: Random, no: number): string | undefined {
  const places = fields.flatMap((f, i) => (f.no === no ? [i] : []));
  if (places.length === 0) return undefined;
  fields.splice(pick(random, places), 1);
  return `field ${no} dropped once`;
}

function setNumber(inner: PbField[], no: number, value: bigint): void {
  const known = inner.find((f) => f.no === no);
  if (known === undefined) inner.push({ no, value });
  else known.value = value;
}

function scale(inner: PbField[], no: number, factor: bigint): void {
  const known = inner.find((f) => f.no === no);
  if (known !== undefined) known.value = BigInt.asUintN(64, (known.value as bigint) * factor);
}

/** Adds a string at the end of the table; its number. */
function addString(fields: PbField[], text: string): bigint {
  const count = fields.filter(({ no }) => no === STRING).length;
  fields.push({ no: STRING, value: Buffer.from(text) });
  return BigInt(count);
}

function addLabel(
  fields: PbField[],
  random: Random,
  make: (key: bigint, str: bigint) => PbField[],
): string | undefined {
  const value = make(
    addString(fields, pick(random, ['user', 'region', 'a.b'])),
    addString(fields, pick(random, ['1', 'eu', ''])),
  );
  return onSample(fields, random, (inner) => {
    inner.push({ no: 3, value });
    return 'a label';
  });
}
