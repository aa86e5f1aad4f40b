import type { Label, LabelSet } from './label-set.ts';

const SET_BYTES = 96;
const LABEL_BYTES = 48;
const TEXT_BYTES = 64;

/**
 * Distinct label sets by number. Identity is the labels, never a hash of them. A text is held once and named by number in keys, so that thousands of
 * series that share long labels cost what is different about them.
 */
export class LabelSetTable {
  /** By number; texts of equal content are one string. */
  readonly sets: LabelSet[] = [];
  /** Labels of all sets together. */
  labels = 0;
  /** UTF-16 code units of all texts, each counted once. */
  textLength = 0;
  readonly #numbers = new Map<string, number>();
  readonly #texts: string[] = [];
  readonly #textNumbers = new Map<string, number>();

  /** About what all of it takes in memory. */
  get byteLength(): number {
    return this.sets.length * SET_BYTES + this.labels * LABEL_BYTES + this.#texts.length * TEXT_BYTES + this.textLength;
  }

  /** The number of a set, a new one when it was not met before. */
  number(labels: LabelSet): number {
    let key = '';
    for (const { name, value } of labels) {
      const n = this.#text(name);
      const v = this.#text(value);
      key += String.fromCharCode(n & 0xffff, n >>> 16, v & 0xffff, v >>> 16);
    }
    const known = this.#numbers.get(key);
    if (known !== undefined) return known;
    const number = this.sets.push(labels.map((label) => this.#shared(label))) - 1;
    this.#numbers.set(key, number);
    this.labels += labels.length;
    return number;
  }

  #shared({ name, value }: Label): Label {
    return { name: this.#texts[this.#text(name)]!, value: this.#texts[this.#text(value)]! };
  }

  #text(text: string): number {
    const known = this.#textNumbers.get(text);
    if (known !== undefined) return known;
    const number = this.#texts.push(text) - 1;
    this.#textNumbers.set(text, number);
    this.textLength += text.length;
    return number;
  }
}
