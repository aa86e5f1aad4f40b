import { ByteWriter } from '@kiln/bytes';
import type { Label } from '@kiln/model';

/**
 * push.v1.PushRequest of one series with one profile: {1 series {1 labels {1 name, 2 value}*, 2 samples {1 rawProfile, 2 ID}}}.
 * @param id by which the server knows a profile that is sent again; '' sends none.
 */
export function pushMessage(labels: readonly Label[], profile: Uint8Array, id = ''): Uint8Array {
  const series = new ByteWriter(profile.length + 256);
  for (const { name, value } of labels) {
    const pair = new ByteWriter();
    text(pair, 1, name);
    text(pair, 2, value);
    message(series, 1, pair.view());
  }
  const sample = new ByteWriter(profile.length + 16);
  message(sample, 1, profile);
  if (id !== '') text(sample, 2, id);
  message(series, 2, sample.view());
  const request = new ByteWriter(series.length + 16);
  message(request, 1, series.view());
  return request.toBytes();
}

/** A length-delimited field. */
export function message(out: ByteWriter, field: number, content: Uint8Array): void {
  out.varint(field * 8 + 2);
  out.varint(content.length);
  out.bytes(content);
}

/** A string field. */
export function text(out: ByteWriter, field: number, value: string): void {
  out.varint(field * 8 + 2);
  out.text(value);
}
