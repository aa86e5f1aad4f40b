/** One name and its value; both any valid UTF-8, the name not empty. */
export interface Label {
  readonly name: string;
  readonly value: string;
}

/** Labels sorted by name (UTF-16 code units, as `<` compares), every name once, no empty values. Made by `labelSet`. */
export type LabelSet = readonly Label[];

/** Sorts by name. The caller has already removed copies and empty values; for untrusted input see formats/normalize. */
export function labelSet(labels: Iterable<Label>): LabelSet {
  return [...labels].sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
}

/** The value of `name`, or '' when the set lacks it (an absent label and an empty one are the same). */
export function labelValue(labels: LabelSet, name: string): string {
  for (const label of labels) if (label.name === name) return label.value;
  return '';
}

/** A string that is equal exactly for equal label sets: identity, unlike the fingerprint. */
export function labelSetKey(labels: LabelSet): string {
  let key = '';
  for (const { name, value } of labels) key += `${name.length}:${name}${value.length}:${value}`;
  return key;
}

/** 64-bit hash of a label set: a hint for placement, never identity. */
export function fingerprint(labels: LabelSet): bigint {
  return hash64(labelSetKey(labels));
}

/** 64-bit hash of a string: two 32-bit multiply-xor lanes over its UTF-16 code units, each finished as in MurmurHash3. */
export function hash64(text: string): bigint {
  let a = 0x9e3779b9;
  let b = 0x85ebca6b;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    a = Math.imul(a ^ unit, 0x01000193);
    b = Math.imul(b ^ (unit + i), 0xc2b2ae35);
    b = (b << 13) | (b >>> 19);
  }
  return (BigInt(finish(a ^ text.length)) << 32n) | BigInt(finish(b ^ a));
}

function finish(seed: number): number {
  let h = seed;
  h ^= h >>> 16;
  h = Math.imul(h, 0x85ebca6b);
  h ^= h >>> 13;
  h = Math.imul(h, 0xc2b2ae35);
  h ^= h >>> 16;
  return h >>> 0;
}
