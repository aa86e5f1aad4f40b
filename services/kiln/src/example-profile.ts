import { ByteWriter } from '@kiln/bytes';
import { message, text } from './push-message.ts';

/** Stacks of an imaginary web shop, leaf last, with CPU time in milliseconds. */
const stacks: readonly (readonly [string, number])[] = [
  ['main;serve;handleCheckout;computeTax', 1_310],
  ['main;serve;handleCheckout;writeReceipt;encodeJson', 480],
  ['main;serve;handleSearch;tokenize', 260],
  ['main;serve;handleSearch;rankResults;score', 2_140],
  ['main;serve;handleSearch;rankResults;sort', 330],
  ['main;collectGarbage', 410],
];

/** A small CPU profile (google.v1.Profile), so that a first flame graph needs no program: what `kiln push --example` sends. */
export function exampleProfile(): Uint8Array {
  const strings = ['', 'cpu', 'nanoseconds', 'shop.example'];
  const functions = new Map<string, number>();
  const out = new ByteWriter(2048);
  message(out, 1, numbers([1, 1], [2, 2]));
  for (const [stack, ms] of stacks) {
    const ids = stack.split(';').map((name) => {
      if (!functions.has(name)) functions.set(name, functions.size + 1);
      return functions.get(name)!;
    });
    const sample = new ByteWriter();
    message(sample, 1, packed(ids.toReversed()));
    message(sample, 2, packed([ms * 1_000_000]));
    message(out, 2, sample.view());
  }
  for (const [name, id] of functions) {
    strings.push(name);
    const location = new ByteWriter();
    location.bytes(numbers([1, id]));
    message(location, 4, numbers([1, id], [2, 10 * id]));
    message(out, 4, location.view());
    message(out, 5, numbers([1, id], [2, strings.length - 1], [3, strings.length - 1], [4, 3]));
  }
  for (const one of strings) text(out, 6, one);
  out.bytes(numbers([10, 10_000_000_000]));
  message(out, 11, numbers([1, 1], [2, 2]));
  out.bytes(numbers([12, 10_000_000]));
  return out.toBytes();
}

function numbers(...fields: readonly (readonly [number, number])[]): Uint8Array {
  const out = new ByteWriter(32);
  for (const [field, value] of fields) {
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
