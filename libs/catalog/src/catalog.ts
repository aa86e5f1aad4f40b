import type { Clock, Random } from '@kiln/async';
import type { Codecs } from '@kiln/block';
import type { ObjectStore } from '@kiln/objstore';

/** What reading stands on. */
export interface CatalogReader {
  readonly objects: ObjectStore;
  readonly crc32: Codecs['crc32'];
}

/** What every transition stands on. `random` makes nonces and jitter; two processes must not share its seed. */
export interface Catalog extends CatalogReader {
  readonly clock: Clock;
  readonly random: Random;
}

/** Called between the steps of a transition with the step's name. Tests throw or wait in it: the process died or slept there. */
export type KillPoint = (name: string) => void | Promise<void>;

/** Lower-case hex of random bits, 8 digits a word. */
export function randomHex({ random }: Catalog, words: number): string {
  let text = '';
  for (let i = 0; i < words; i++)
    text += Math.floor(random() * 0x1_0000_0000)
      .toString(16)
      .padStart(8, '0');
  return text;
}
