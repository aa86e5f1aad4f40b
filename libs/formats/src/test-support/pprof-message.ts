import { fileURLToPath } from 'node:url';
import protobuf from 'protobufjs';

/** pprof as plain objects, encoded and decoded by protobufjs from the repository's own schema: a second, generic implementation to judge ours by. */
export interface PprofMessage {
  sampleType?: { type?: number; unit?: number }[];
  sample?: {
    locationId?: (number | string)[];
    value?: (number | string)[];
    label?: { key?: number; str?: number; num?: number }[];
  }[];
  mapping?: {
    id?: number | string;
    memoryStart?: string;
    filename?: number;
    buildId?: number;
    hasFunctions?: boolean;
  }[];
  location?: {
    id?: number | string;
    mappingId?: number | string;
    address?: number | string;
    line?: { functionId?: number | string; line?: number }[];
  }[];
  function?: { id?: number | string; name?: number; systemName?: number; filename?: number; startLine?: number }[];
  stringTable?: string[];
  timeNanos?: string;
  durationNanos?: string;
  periodType?: { type?: number; unit?: number };
  period?: string;
  comment?: number[];
}

const root = protobuf.loadSync(fileURLToPath(new URL('../../../../proto/google/v1/profile.proto', import.meta.url)));
export const pprofType: protobuf.Type = root.lookupType('google.v1.Profile');

export function encodeMessage(message: PprofMessage): Uint8Array {
  return new Uint8Array(pprofType.encode(pprofType.fromObject(message)).finish());
}

export function decodeMessage(bytes: Uint8Array): Required<PprofMessage> {
  return pprofType.toObject(pprofType.decode(bytes), {
    longs: String,
    arrays: true,
    defaults: true,
  }) as Required<PprofMessage>;
}

/**
 * A profile drawn as text, one sample a line: frames from root to leaf, then one value per type. `a;b 3 30`
 * @param types `type/unit`, the first is also the period type.
 */
export function draw(types: string[], lines: string[], more: Partial<PprofMessage> = {}): PprofMessage {
  const strings = [''];
  const string = (text: string): number => (strings.includes(text) ? strings.indexOf(text) : strings.push(text) - 1);
  const sampleType = types.map((t) => ({ type: string(t.split('/')[0]!), unit: string(t.split('/')[1]!) }));
  const frames: string[] = [];
  const frame = (name: string): number => (frames.includes(name) ? frames.indexOf(name) : frames.push(name) - 1) + 1;
  const sample = lines.map((line) => {
    const [stack, ...values] = line.split(' ');
    return {
      locationId: stack!
        .split(';')
        .filter((name) => name !== '')
        .map(frame)
        .toReversed(),
      value: values,
    };
  });
  const file = string('main.x');
  return {
    sampleType,
    sample,
    mapping: [{ id: 1, filename: string('/bin/app'), hasFunctions: true }],
    location: frames.map((_, i) => ({ id: i + 1, mappingId: 1, line: [{ functionId: i + 1, line: i + 10 }] })),
    function: frames.map((name, i) => ({ id: i + 1, name: string(name), filename: file })),
    stringTable: strings,
    periodType: sampleType[0]!,
    period: '10',
    ...more,
  };
}

/** Adds strings to a drawn message and returns their rows. */
export function addStrings(message: PprofMessage, ...texts: string[]): number[] {
  return texts.map((text) => message.stringTable!.push(text) - 1);
}
