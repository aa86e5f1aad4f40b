import { readFile, stat } from 'node:fs/promises';
import { basename } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { ConfigError, setting, type SettingsFor } from '@kiln/config';
import { KilnError, labelSet, type Label, type LabelSet } from '@kiln/model';
import { guessName, pprofOutline } from './pprof-outline.ts';
import { sentenceOf } from './sentence.ts';

/** A pprof file that was read, decompressed. */
export interface Source {
  readonly name: string;
  readonly service: string;
  readonly bytes: Uint8Array;
}

/** `--label` of the commands that send files; each is read by `parseLabel`, and `labelsFor` adds what is not given. */
export const labelsSetting: SettingsFor<{ labels: readonly string[] }>['labels'] = setting({
  key: 'label',
  yaml: null,
  type: 'repeated',
  default: [],
  meaning: 'Label as name=value; service_name is the file name and __name__ is guessed unless given',
});

/** @throws KilnError `invalid_argument` when it is none. */
export function outlineOf(source: Source): ReturnType<typeof pprofOutline> {
  try {
    const outline = pprofOutline(source.bytes);
    if (outline.sampleTypes.length > 0) return outline;
  } catch (error) {
    throw noPprof(source.name, source.bytes, error);
  }
  throw new KilnError('invalid_argument', `${source.name} is no pprof file: it names no sample type`);
}

/** Says what the bytes look like, where that is sure; else what stands against their being a pprof. */
export function noPprof(name: string, bytes: Uint8Array, why: unknown): KilnError {
  const text = new TextDecoder('latin1').decode(bytes.subarray(0, 64));
  // No pprof begins like these: its first byte would be of a field that cannot be.
  const looks = text.startsWith('FLR\0')
    ? 'a JFR recording (it begins with FLR\\0): only pprof can be sent as a file'
    : /^(\u00ef\u00bb\u00bf)?\s*[{[]/.test(text)
      ? 'JSON, as of speedscope: only pprof can be sent as a file'
      : `no pprof file: ${(why as Error).message}`;
  return new KilnError('invalid_argument', `${name} is ${looks}`, { cause: why });
}

/** What went wrong with one of several files, with its name once. */
export function sentenceOfFile(file: string, thrown: unknown): string {
  const sentence = thrown instanceof KilnError ? thrown.message : sentenceOf(thrown);
  const isNamed = sentence.startsWith(`${file} `) || (thrown as NodeJS.ErrnoException).path === file;
  return isNamed ? sentence : `${file}: ${sentence}`;
}

/** @throws KilnError `invalid_argument` for a directory, an empty file, damaged gzip. */
export async function readSource(file: string): Promise<Source> {
  if ((await stat(file)).isDirectory())
    throw new KilnError(
      'invalid_argument',
      `${file} is a directory: name the files in it, ${file.replace(/\/$/, '')}/*`,
    );
  const raw = await readFile(file);
  if (raw.length === 0) throw new KilnError('invalid_argument', `${file} is empty: it holds no profile`);
  const service = basename(file).replace(/(\.(pb|pprof|prof|gz|out))+$/i, '') || 'unknown_service';
  if (raw[0] !== 0x1f || raw[1] !== 0x8b) return { name: file, service, bytes: raw };
  try {
    return { name: file, service, bytes: gunzipSync(raw) };
  } catch (error) {
    throw new KilnError('invalid_argument', `${file} is not whole gzip: ${(error as Error).message}`, { cause: error });
  }
}

/** What a file is pushed as: the labels that were given, a service named by the file, and a name that its sample types suggest. */
export function labelsFor(source: Source, given: readonly Label[], sampleTypes: readonly string[]): LabelSet {
  const names = new Set(given.map(({ name }) => name));
  const added = [
    { name: '__name__', value: guessName(sampleTypes) },
    { name: 'service_name', value: source.service },
  ].filter(({ name }) => !names.has(name));
  return labelSet([...given, ...added]);
}

/** @throws ConfigError for a text that is not `name=value`. */
export function parseLabel(text: string): Label {
  const at = text.indexOf('=');
  if (at <= 0) throw new ConfigError(`--label is ${JSON.stringify(text)}, must be name=value`);
  return { name: text.slice(0, at), value: text.slice(at + 1) };
}
