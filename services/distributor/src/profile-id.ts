import { createHash, randomFillSync } from 'node:crypto';
import { ByteWriter } from '@kiln/bytes';
import type { LabelSet, TenantId, ValueType } from '@kiln/model';

/** What makes two sends of a profile the same profile. */
export interface ProfileContent {
  readonly tenant: TenantId;
  /** As pushed, before any relabelling, sorted. */
  readonly labels: LabelSet;
  readonly types: readonly ValueType[];
  /** Start as the payload carries it; 0 when it carries none. */
  readonly timeNanos: bigint;
  readonly durationNanos: bigint;
  /** Decompressed. */
  readonly payload: Uint8Array;
  /** RawSample.ID, '' when not sent. */
  readonly clientId: string;
  /** Where rules have moved this part of the profile, undefined for what they left together: parts of one profile are no copies of each other. */
  readonly movedTo?: { readonly service: string; readonly name: string } | undefined;
}

/**
 * The 16-byte profile id. A copy can only be told from a second, equal profile when the payload carries its own sub-second time or the client
 * names it: then the id is the first half of SHA-256 over the content. Otherwise it is random and both count (design: distributed.md §1.6 Identity).
 */
export function profileId(content: ProfileContent): Uint8Array {
  return identifiesItself(content) ? contentId(content) : randomFillSync(new Uint8Array(16));
}

/** Whether sends of equal content are copies of one profile. */
export function identifiesItself({ timeNanos, clientId }: Pick<ProfileContent, 'timeNanos' | 'clientId'>): boolean {
  return clientId !== '' || timeNanos % 1_000_000_000n !== 0n;
}

function contentId(content: ProfileContent): Uint8Array {
  const head = new ByteWriter(512);
  head.text(content.tenant);
  head.varint(content.labels.length);
  for (const { name, value } of content.labels) {
    head.text(name);
    head.text(value);
  }
  head.varint(content.types.length);
  for (const { type, unit, periodType, periodUnit } of content.types)
    for (const part of [type, unit, periodType, periodUnit]) head.text(part);
  head.u64(BigInt.asUintN(64, content.timeNanos));
  head.u64(BigInt.asUintN(64, content.durationNanos));
  head.text(content.clientId);
  if (content.movedTo !== undefined) {
    head.text(content.movedTo.service);
    head.text(content.movedTo.name);
  }
  const digest = createHash('sha256').update(head.view()).update(content.payload).digest();
  return new Uint8Array(digest.subarray(0, 16));
}
