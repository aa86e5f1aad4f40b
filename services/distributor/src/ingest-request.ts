import {
  parseIngestName,
  parseSampleTypeConfig,
  parseTimeParam,
  readTimeParam,
  type IngestSource,
  type SampleTypeConfig,
} from '@kiln/formats';
import { KilnError } from '@kiln/model';
import { isGzip } from './body.ts';
import { readParts } from './multipart.ts';

/** The profile of an `/ingest` body with what the client says of its sample types. */
export interface IngestProfile {
  /** pprof, gzip or plain. */
  readonly profile: Uint8Array;
  readonly sampleTypes: SampleTypeConfig | undefined;
}

/** An `/ingest` request by its head: whose profile, and how to take it out of the body. */
export interface IngestRequest {
  readonly source: IngestSource;
  /** Undefined when the body, or its part `profile`, is empty: nothing is stored, and that is no error. */
  readonly read: (body: Uint8Array) => Promise<IngestProfile | undefined>;
}

/** Formats by the parameter `format`, or by content type (contract/pyroscope.md §3.2), that are not read yet. */
const unread = new Set(['trie', 'tree', 'lines', 'jfr', 'speedscope', 'groups']);

/**
 * Reads the query of `/ingest` and chooses the format.
 * @param url path and query. @param nowNanos for `from` that is missing or nonsense.
 * @throws KilnError `invalid_argument` for the name; status 415 for a format that is not read.
 */
export function readIngestRequest(url: string, contentType: string, nowNanos: bigint): IngestRequest {
  const search = url.includes('?') ? url.slice(url.indexOf('?') + 1) : '';
  const query = new URLSearchParams(search);
  const name = query.get('name');
  if (name === null || name === '') {
    throw new KilnError('invalid_argument', 'the parameter name is missing: send name=app{key=value}', {
      reason: 'missing_labels',
    });
  }
  const spy = query.get('spyName') || 'unknown';
  if (/\uFFFD/.test(name + spy)) checkEncoding(search);
  const from = query.get('from') ?? '';
  const source = {
    ...parseIngestName(name),
    spy,
    fromNanos: parseTimeParam(from, nowNanos),
    ...(from === '' || readTimeParam(from, nowNanos) !== undefined ? {} : { unreadFrom: from }),
  };
  const isMultipart = contentType.toLowerCase().includes('multipart/form-data');
  const format = formatOf(query.get('format') ?? '', contentType.toLowerCase(), isMultipart);
  if (unread.has(format)) {
    throw new KilnError(
      'unimplemented',
      `${saidFormat(query.get('format') ?? '', contentType)} is not read yet: this version reads pprof, as the body (format=pprof) or as the file part "profile" of multipart/form-data`,
      { httpStatus: 415 },
    );
  }
  return {
    source,
    read: (body) => (isMultipart && looksMultipart(body) ? readForm(body, contentType) : readWhole(body)),
  };
}

/** That nothing was mended when the query was decoded: labels that differ in bytes which are no UTF-8 would become one. */
function checkEncoding(search: string): void {
  try {
    decodeURIComponent(search);
  } catch {
    throw new KilnError('invalid_argument', 'name and spyName are not UTF-8: send them percent-encoded in UTF-8', {
      reason: 'invalid_labels',
    });
  }
}

/** The format as the client said it, or did not. */
function saidFormat(format: string, contentType: string): string {
  if (format !== '') return `format ${JSON.stringify(format.slice(0, 100))}`;
  if (/octet-stream\+(trie|tree)/i.test(contentType))
    return `content type ${JSON.stringify(contentType.slice(0, 100))}`;
  return 'a body without format= (collapsed text)';
}

function formatOf(format: string, contentType: string, isMultipart: boolean): string {
  if (format === 'trie' || contentType.includes('octet-stream+trie')) return 'trie';
  if (format === 'tree' || contentType.includes('octet-stream+tree')) return 'tree';
  if (unread.has(format) || format === 'pprof') return format;
  return isMultipart ? 'pprof' : 'groups';
}

/** `format=pprof` with a multipart content type: some clients mean the one, some the other. The body knows. */
function looksMultipart(body: Uint8Array): boolean {
  return body.length >= 2 && body[0] === 0x2d && body[1] === 0x2d && !isGzip(body);
}

async function readWhole(body: Uint8Array): Promise<IngestProfile | undefined> {
  return body.length === 0 ? undefined : { profile: body, sampleTypes: undefined };
}

async function readForm(body: Uint8Array, contentType: string): Promise<IngestProfile | undefined> {
  const { parts, fields } = await readParts(body, contentType);
  const previous = parts.get('prev_profile');
  if (previous !== undefined && previous.length > 0) {
    throw new KilnError(
      'invalid_argument',
      'part "prev_profile" is not supported: cumulative profiles are stored as pushed, send each alone',
      {
        reason: 'malformed_profile',
        httpStatus: 422,
      },
    );
  }
  const profile = parts.get('profile');
  if (profile === undefined) throw noProfile(parts, fields);
  if (profile.length === 0) return undefined;
  const config = parts.get('sample_type_config');
  const sampleTypes =
    config === undefined || config.length === 0 ? undefined : parseSampleTypeConfig(new TextDecoder().decode(config));
  return { profile, sampleTypes };
}

/** Every client that is known sends the part; Pyroscope answers 200 and stores nothing. */
function noProfile(parts: ReadonlyMap<string, Uint8Array>, fields: readonly string[]): KilnError {
  const found = [...[...parts.keys()].map(quoted), ...fields.map((name) => `${quoted(name)} without a file name`)];
  const has = found.length === 0 ? 'no part at all' : found.join(', ');
  return new KilnError(
    'invalid_argument',
    `the form has no file part "profile", but ${has}: send the pprof as one, with a file name (curl -F profile=@cpu.pb.gz)`,
    { reason: 'malformed_profile' },
  );
}

function quoted(name: string): string {
  return JSON.stringify(name.slice(0, 40));
}
