import { globSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import { fileParts, pushMessages, type Oracle, type Verdict } from '../oracle/index.ts';
import {
  captureBody,
  capturedPrefix,
  captureHeaders,
  capturesInScope,
  dataDir,
  type Capture,
} from '../support/captured.ts';
import { connectPush, ingestBody, profileForm, type Answer } from '../support/http-client.ts';
import { mapPushProfiles, shiftedPprof, shiftedQuery } from '../support/shift-time.ts';

/** A request to a server, with what the oracle says of it. */
export interface Send {
  readonly name: string;
  send(url: string, tenant: string): Promise<Answer>;
  /** One verdict per profile of the request. */
  ask(oracle: Oracle, tenant: string, receivedMs: number): Verdict[];
}

/** A pprof to send: not compressed, its time in the window. */
interface Source {
  readonly name: string;
  readonly pprof: Uint8Array;
  readonly metric: string;
  readonly sampleTypeConfig?: string;
  readonly spy?: string;
}

const isGzip = (bytes: Uint8Array): boolean => bytes[0] === 0x1f && bytes[1] === 0x8b;
const plain = (bytes: Uint8Array): Uint8Array => new Uint8Array(isGzip(bytes) ? gunzipSync(bytes) : bytes);

/** Our own fixtures, times moved. */
export function fixtureSources(nowMs: number): Source[] {
  return globSync(join(import.meta.dirname, '../fixtures/pprof/*.pb')).map((file) => ({
    name: `fixture-${basename(file, '.pb')}`,
    pprof: movedUnlessOld(basename(file), new Uint8Array(readFileSync(file)), nowMs),
    metric: file.includes('heap') ? 'memory' : 'process_cpu',
  }));
}

/** Fixtures that are about their time keep it. */
function movedUnlessOld(file: string, pprof: Uint8Array, nowMs: number): Uint8Array {
  return file.startsWith('refused-old') || file.startsWith('no-time') ? pprof : shiftedPprof(pprof, nowMs);
}

/** Real profiles and scraped ones, times moved. */
export function realSources(nowMs: number): Source[] {
  if (dataDir === undefined) return [];
  const files = globSync(join(dataDir, 'pprof/*')).filter((file) => !file.endsWith('.json'));
  const profiles = files.toSorted().map((file): Source => {
    const name = basename(file).replace(/\..*/, '');
    const config = readOrUndefined(join(dataDir!, `pprof/${name}.st.json`));
    const spy = name.startsWith('dotnet') ? 'dotnetspy' : name.startsWith('pyspy') ? 'scripting' : undefined;
    return {
      name: `real-${name}`,
      pprof: shiftedPprof(plain(readFileSync(file)), nowMs),
      metric: name.includes('heap') ? 'memory' : 'process_cpu',
      ...(config === undefined ? {} : { sampleTypeConfig: config }),
      ...(spy === undefined ? {} : { spy }),
    };
  });
  const scrapes = capturesInScope()
    .filter(({ scrape }) => scrape === true)
    .map((capture): Source => ({
      name: `scrape-${capture.file.replaceAll(/[/.]/g, '-')}`,
      pprof: shiftedPprof(plain(captureBody(capture)), nowMs),
      metric: 'scraped',
    }));
  return [...profiles, ...scrapes];
}

function readOrUndefined(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return undefined;
  }
}

/**
 * A source through the wire forms of this version, each as a service of its own.
 * @param turn unless undefined, only four of the ten forms: two that all take, and two by turns.
 */
export function sendsOf(source: Source, nowMs: number, turn: number | undefined): Send[] {
  const zipped = gzipSync(source.pprof, { level: 1 });
  const form = profileForm(source.pprof, source.sampleTypeConfig);
  const zippedForm = profileForm(zipped, source.sampleTypeConfig);
  const push = (kind: string, profile: Uint8Array, options: { json?: boolean; gzip?: boolean }): Send => {
    const labels = [
      ['__name__', source.metric],
      ['service_name', `${source.name}.${kind}`],
      ['form', kind],
    ] as const;
    return {
      name: `${source.name} as ${kind}`,
      send: (url, tenant) => connectPush(url, [{ labels, samples: [{ profile }] }], { ...options, tenant }),
      ask: (oracle, tenant, receivedMs) => [oracle.push({ tenant, labels, pprofBytes: profile, receivedMs })],
    };
  };
  const ingest = (
    kind: string,
    body: Uint8Array,
    options: { format?: string; contentType?: string; gzip?: boolean; path?: '//ingest' | '/pyroscope/ingest' },
  ): Send => {
    const query: Record<string, string> = {
      name: `${source.name}.${kind}{form=${kind}}`,
      from: String(Math.floor(nowMs / 1_000) - 10),
      until: String(Math.floor(nowMs / 1_000)),
      spyName: source.spy ?? 'gospy',
      ...(options.format === undefined ? {} : { format: options.format }),
    };
    return {
      name: `${source.name} as ${kind}`,
      send: (url, tenant) => ingestBody(url, query, body, { ...options, tenant }),
      ask: (oracle, tenant, receivedMs) => [
        oracle.ingest({ tenant, query, contentType: options.contentType ?? '', body, receivedMs }),
      ],
    };
  };
  const first = [
    push('push-proto-gzip', zipped, { gzip: true }),
    ingest('ingest-form-gzip', zippedForm.body, { contentType: zippedForm.contentType }),
  ];
  const rest = [
    push('push-proto', source.pprof, {}),
    push('push-json', source.pprof, { json: true }),
    push('push-json-gzip', zipped, { json: true, gzip: true }),
    ingest('ingest-raw', source.pprof, { format: 'pprof' }),
    ingest('ingest-raw-gzip', zipped, { format: 'pprof', path: '/pyroscope/ingest' }),
    ingest('ingest-encoded', source.pprof, { format: 'pprof', gzip: true }),
    ingest('ingest-form', form.body, { contentType: form.contentType }),
    ingest('ingest-slashes', zipped, { format: 'pprof', path: '//ingest' }),
  ];
  return turn === undefined
    ? [...first, ...rest]
    : [...first, rest[turn % rest.length]!, rest[(turn + 3) % rest.length]!];
}

/** Captured requests of real clients, byte for byte but for their times: those sent below the prefix, or the others. */
export function captureSends(nowMs: number, where: { below: boolean }): Send[] {
  return capturesInScope()
    .filter(({ scrape, path }) => scrape !== true && path!.startsWith(`${capturedPrefix}/`) === where.below)
    .map((capture) => (capture.path!.includes('Push') ? capturedPush(capture, nowMs) : capturedIngest(capture, nowMs)));
}

function capturedPush(capture: Capture, nowMs: number): Send {
  const sent = captureBody(capture);
  const moved = mapPushProfiles(plain(sent), (profile) => {
    const shifted = shiftedPprof(plain(profile), nowMs);
    return isGzip(profile) ? gzipSync(shifted) : shifted;
  });
  const body = isGzip(sent) ? gzipSync(moved) : moved;
  const headers = captureHeaders(capture);
  return {
    name: `captured ${capture.file}`,
    send: (url, tenant) => replay(new URL(url).origin + capture.path!, headers, body, tenant),
    ask: (oracle, tenant, receivedMs) => {
      const { series = [] } = pushMessages.request.decode(moved) as {
        series?: { labels: { name: string; value?: string }[]; samples: { rawProfile?: Uint8Array; ID?: string }[] }[];
      };
      return series.flatMap(({ labels, samples }) =>
        samples.map(({ rawProfile, ID }) =>
          oracle.push({
            tenant,
            labels: labels.map(({ name, value }) => [name, value ?? ''] as const),
            pprofBytes: rawProfile ?? new Uint8Array(0),
            receivedMs,
            ...(ID === undefined ? {} : { id: ID }),
          }),
        ),
      );
    },
  };
}

function capturedIngest(capture: Capture, nowMs: number): Send {
  const headers = captureHeaders(capture);
  const contentType = headers['content-type'] ?? '';
  const sent = captureBody(capture);
  const encoded = headers['content-encoding'] === 'gzip';
  const inside = encoded ? plain(sent) : sent;
  const shift = (profile: Uint8Array): Uint8Array => {
    const shifted = shiftedPprof(plain(profile), nowMs);
    return isGzip(profile) ? gzipSync(shifted) : shifted;
  };
  const isForm = contentType.includes('multipart');
  const moved = isForm ? withPart(inside, fileParts(inside, contentType).get('profile')!, shift) : shift(inside);
  const query = Object.fromEntries(new URLSearchParams(shiftedQuery(capture.query ?? '', nowMs)));
  const body = encoded ? gzipSync(moved) : moved;
  return {
    name: `captured ${capture.file}`,
    send: (url, tenant) =>
      replay(`${new URL(url).origin}${capture.path}?${new URLSearchParams(query).toString()}`, headers, body, tenant),
    ask: (oracle, tenant, receivedMs) => [oracle.ingest({ tenant, query, contentType, body: moved, receivedMs })],
  };
}

/** The body with one of its parts replaced. */
function withPart(body: Uint8Array, part: Uint8Array, change: (part: Uint8Array) => Uint8Array): Uint8Array {
  const at = Buffer.from(body).indexOf(part);
  return Buffer.concat([body.subarray(0, at), change(part), body.subarray(at + part.length)]);
}

async function replay(url: string, headers: Record<string, string>, body: Uint8Array, tenant: string): Promise<Answer> {
  const { 'x-scope-orgid': _, ...rest } = headers;
  const response = await fetch(url, {
    method: 'POST',
    headers: { ...rest, 'X-Scope-OrgID': tenant },
    body: new Uint8Array(body),
    redirect: 'manual',
  });
  return {
    status: response.status,
    contentType: response.headers.get('content-type') ?? '',
    body: new Uint8Array(await response.arrayBuffer()),
  };
}
