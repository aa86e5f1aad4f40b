import { KilnError } from '@kiln/model';
import type { ReserveFile } from '../reserve.ts';

/** A reserve that is a number. */
export class FakeFile implements ReserveFile {
  readonly bytes: number;
  takenBytes = 0;
  fails = false;

  constructor(bytes: number) {
    this.bytes = bytes;
  }

  isThere(): boolean {
    return this.takenBytes > 0;
  }

  make(): Promise<void> {
    return this.#take(this.bytes);
  }

  remove(): Promise<void> {
    return this.#take(0);
  }

  async #take(bytes: number): Promise<void> {
    if (this.fails) throw new KilnError('unavailable', 'a quota');
    this.takenBytes = bytes;
  }
}
