import type { DescField } from '@bufbuild/protobuf';
import { ByteWriter } from '@kiln/bytes';
import type { DiffGraph, FlameGraph } from '@kiln/query';
import { EncodedAnswer, FlameGraphSchema, LevelSchema } from '@kiln/rpc';

/** Of FlameGraph and FlameGraphDiff, which share them. */
const { names: NAMES, levels: LEVELS } = FlameGraphSchema.field;
const { values: VALUES } = LevelSchema.field;

/** A flame graph, or the difference of two with the sums of its sides. */
export type AnsweredGraph = FlameGraph & Partial<Pick<DiffGraph, 'leftTicks' | 'rightTicks'>>;

/** A flame graph as the answer of a method, in one field of its message. The generic encoder makes an object of each of its numbers. */
export class FlameGraphAnswer extends EncodedAnswer {
  readonly #field: DescField;
  readonly #graph: AnsweredGraph;

  constructor(field: DescField, graph: AnsweredGraph) {
    super();
    this.#field = field;
    this.#graph = graph;
  }

  /** The sums that are not 0. */
  *#sums(): Iterable<{ readonly number: number; readonly name: string; readonly value: bigint }> {
    for (const { number, localName, jsonName } of this.#field.message!.fields) {
      const value = this.#graph[localName as keyof AnsweredGraph];
      if (typeof value === 'bigint' && value !== 0n) yield { number, name: jsonName, value };
    }
  }

  toBinary(): Uint8Array {
    const { names, levels } = this.#graph;
    const graph = new ByteWriter(64 * 1024);
    for (const name of names) writeBytes(graph, NAMES, encoder.encode(name));
    const [values, message] = [new ByteWriter(4 * 1024), new ByteWriter(4 * 1024)];
    for (const level of levels) {
      values.clear();
      for (let i = 0; i < level.length; i++) writeNumber(values, level[i]!);
      message.clear();
      if (level.length > 0) writeBytes(message, VALUES, values.view());
      writeBytes(graph, LEVELS, message.view());
    }
    for (const { number, value } of this.#sums()) {
      graph.varint(number * 8);
      writeNumber(graph, value);
    }
    const answer = new ByteWriter(graph.length + 16);
    writeBytes(answer, this.#field, graph.view());
    return answer.toBytes();
  }

  /** 64-bit numbers are texts, and what is 0 or empty is left out, but in a list. */
  toJson(): Uint8Array {
    const { names, levels } = this.#graph;
    const fields = [
      names.length === 0 ? [] : [`"names":${JSON.stringify(names)}`],
      levels.length === 0 ? [] : [`"levels":[${levels.map(levelText).join(',')}]`],
      Array.from(this.#sums(), ({ name, value }) => `"${name}":"${value}"`),
    ].flat();
    return encoder.encode(`{"${this.#field.jsonName}":{${fields.join(',')}}}`);
  }
}

function levelText(level: Float64Array | BigInt64Array): string {
  return level.length === 0 ? '{}' : `{"values":["${level.join('","')}"]}`;
}

/** Hot: once per number of an answer. None is negative. */
function writeNumber(w: ByteWriter, value: number | bigint): void {
  if (typeof value === 'number') w.varint(value);
  else w.varintExact(Number(value & LOW), Number(value >> 52n));
}

const LOW = 2n ** 52n - 1n;

/** A field of texts, bytes or messages; numbers of a list are packed into bytes. */
function writeBytes(w: ByteWriter, { number }: DescField, bytes: Uint8Array): void {
  w.varint(number * 8 + 2);
  w.varint(bytes.length);
  w.bytes(bytes);
}

const encoder = new TextEncoder();
