/**
 * Columns side by side in one buffer: much cheaper to make than a buffer for each. `clear` starts over in the same memory, which is warm and costs the
 * collector nothing; columns made before it must not be used any more. What a new column holds is not defined: who makes it writes every entry.
 */
export class ColumnArena {
  #buffer: ArrayBuffer;
  #at = 0;

  /** @param byteLength what will be needed, where that is known. */
  constructor(byteLength = 0) {
    this.#buffer = new ArrayBuffer(byteLength);
  }

  /** Gives all columns up. A buffer that one large input has made is given up too. */
  clear(): void {
    if (this.#buffer.byteLength > KEPT_BYTES) this.#buffer = new ArrayBuffer(0);
    this.#at = 0;
  }

  f64(length: number): Float64Array {
    const at = this.#take(length * 8);
    return new Float64Array(this.#buffer, at, length);
  }

  u64(length: number): BigUint64Array {
    const at = this.#take(length * 8);
    return new BigUint64Array(this.#buffer, at, length);
  }

  u32(length: number): Uint32Array {
    const at = this.#take(length * 4);
    return new Uint32Array(this.#buffer, at, length);
  }

  u8(length: number): Uint8Array {
    const at = this.#take(length);
    return new Uint8Array(this.#buffer, at, length);
  }

  /** Where the next column begins, where any entry may. A full buffer is left to the columns in it. */
  #take(byteLength: number): number {
    const size = Math.ceil(byteLength / 8) * 8;
    if (this.#at + size > this.#buffer.byteLength) {
      this.#buffer = new ArrayBuffer(Math.max(size, this.#buffer.byteLength * 2, FIRST_BYTES));
      this.#at = 0;
    }
    const at = this.#at;
    this.#at = at + size;
    return at;
  }
}

const FIRST_BYTES = 4096;
const KEPT_BYTES = 1024 * 1024;
