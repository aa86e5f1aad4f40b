import { ByteWriter } from '@kiln/bytes';
import { text } from '../push-message.ts';
import { askQuerier, type Asker } from './querier.ts';
import type { Range } from './range.ts';
import type { Selection } from './selection.ts';

/** The merged profile as google.v1.Profile, which is the answer of SelectMergeProfile itself: whole, whatever its size. Empty for no profiles. */
export function mergedPprof(
  asker: Asker,
  { profileType, selector }: Selection,
  { startMs, endMs }: Range,
): Promise<Uint8Array> {
  const request = new ByteWriter();
  text(request, 1, profileType);
  text(request, 2, selector);
  for (const [field, value] of [
    [3, startMs],
    [4, endMs],
  ] as const) {
    request.varint(field * 8);
    request.varint(value);
  }
  return askQuerier(asker, 'SelectMergeProfile', { type: 'application/proto', bytes: request.toBytes() });
}
