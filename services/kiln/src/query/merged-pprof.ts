import { ByteReader, ByteWriter } from '@kiln/bytes';
import { message, text } from '../push-message.ts';
import type { Chosen } from './chosen.ts';
import { askQuerier, type Asker } from './querier.ts';
import type { Range } from './range.ts';
import type { Selection } from './selection.ts';

const FORMAT_PPROF = 4;

/** The merged profile as google.v1.Profile: whole, whatever its size; the answer of SelectMergeProfile itself where nothing is chosen. Empty for no profiles. */
export async function mergedPprof(
  asker: Asker,
  { profileType, selector }: Selection,
  { startMs, endMs }: Range,
  chosen: Chosen = {},
): Promise<Uint8Array> {
  const { spanSelector = [], traceIdSelector = [], profileIdSelector = [], stackTraceSelector } = chosen;
  const isWhole = Object.keys(chosen).length === 0;
  const request = new ByteWriter();
  text(request, 1, profileType);
  text(request, 2, selector);
  for (const [field, value] of [[3, startMs], [4, endMs], ...(isWhole ? [] : [[6, FORMAT_PPROF] as const])] as const) {
    request.varint(field * 8);
    request.varint(value);
  }
  if (stackTraceSelector !== undefined) {
    const callSite = new ByteWriter();
    for (const { name } of stackTraceSelector.callSite) {
      const location = new ByteWriter();
      text(location, 1, name);
      message(callSite, 1, location.view());
    }
    message(request, 7, callSite.view());
  }
  for (const id of profileIdSelector) text(request, 8, id);
  for (const id of traceIdSelector) text(request, 10, id);
  for (const id of spanSelector) text(request, 11, id);
  const body = { type: 'application/proto', bytes: request.toBytes() };
  if (isWhole) return askQuerier(asker, 'SelectMergeProfile', body);
  return onlyField(onlyField(await askQuerier(asker, 'SelectMergeStacktraces', body), 5), 1);
}

/** The content of a length-delimited field of a message that has no other; empty when it has none. */
function onlyField(content: Uint8Array, number: number): Uint8Array {
  if (content.length === 0) return content;
  const reader = new ByteReader(content, 'answer of SelectMergeStacktraces');
  const tag = reader.varint();
  if (tag !== number * 8 + 2) reader.fail(`tag ${tag}, want field ${number}`);
  return reader.take(reader.varint());
}
