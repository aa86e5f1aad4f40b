import { gzipSync } from 'node:zlib';
import { pprofFromJson, pushMessages, querierMessages } from '../oracle/index.ts';

/** What a server answered. `body` is not compressed any more. */
export interface Answer {
  readonly status: number;
  readonly contentType: string;
  readonly body: Uint8Array;
}

/** One series of a push, as sent. */
export interface SeriesToPush {
  readonly labels: readonly (readonly [string, string])[];
  readonly samples: readonly { readonly profile: Uint8Array; readonly id?: string }[];
}

export interface PushOptions {
  readonly tenant?: string | undefined;
  readonly json?: boolean;
  /** Compress the request's body. */
  readonly gzip?: boolean;
}

async function post(
  url: string,
  headers: Record<string, string>,
  body: Uint8Array,
  tenant: string | undefined,
): Promise<Answer> {
  const response = await fetch(url, {
    method: 'POST',
    headers: tenant === undefined ? headers : { ...headers, 'X-Scope-OrgID': tenant },
    body: new Uint8Array(body),
    redirect: 'manual',
  });
  return {
    status: response.status,
    contentType: response.headers.get('content-type') ?? '',
    body: new Uint8Array(await response.arrayBuffer()),
  };
}

/** A PushRequest as protobuf. */
export function pushBytes(series: readonly SeriesToPush[]): Uint8Array {
  return pushMessages.request.encode({
    series: series.map((s) => ({
      labels: labelsOf(s),
      samples: s.samples.map(({ profile, id }) => ({ rawProfile: profile, ID: id ?? '' })),
    })),
  });
}

/** A PushRequest as protobuf JSON has it. */
export function pushJson(series: readonly SeriesToPush[]): object {
  return {
    series: series.map((s) => ({
      labels: labelsOf(s),
      samples: s.samples.map(({ profile, id }) => ({
        rawProfile: Buffer.from(profile).toString('base64'),
        ...(id === undefined ? {} : { ID: id }),
      })),
    })),
  };
}

function labelsOf({ labels }: SeriesToPush): object[] {
  return labels.map(([name, value]) => ({ name, value }));
}

/** `push.v1.PusherService/Push` as Connect protobuf or JSON. */
export function connectPush(
  url: string,
  series: readonly SeriesToPush[],
  { tenant, json, gzip }: PushOptions = {},
): Promise<Answer> {
  const plain = json ? Buffer.from(JSON.stringify(pushJson(series))) : pushBytes(series);
  const headers = {
    'Content-Type': json ? 'application/json' : 'application/proto',
    ...(gzip ? { 'Content-Encoding': 'gzip' } : {}),
  };
  return post(`${url}/push.v1.PusherService/Push`, headers, gzip ? gzipSync(plain, { level: 1 }) : plain, tenant);
}

export interface IngestOptions {
  readonly tenant?: string | undefined;
  readonly path?: '/ingest' | '//ingest' | '/pyroscope/ingest';
  readonly contentType?: string;
  /** Compress the body and say so. */
  readonly gzip?: boolean;
}

/** `POST /ingest` with a body as it is. */
export function ingestBody(
  url: string,
  parameters: Readonly<Record<string, string>>,
  body: Uint8Array,
  options: IngestOptions = {},
): Promise<Answer> {
  const headers = {
    'Content-Type': options.contentType ?? 'application/octet-stream',
    ...(options.gzip ? { 'Content-Encoding': 'gzip' } : {}),
  };
  const target = `${url}${options.path ?? '/ingest'}?${new URLSearchParams(parameters).toString()}`;
  return post(target, headers, options.gzip ? gzipSync(body, { level: 1 }) : body, options.tenant);
}

/** A multipart body with the parts of an SDK. */
export function profileForm(profile: Uint8Array, sampleTypeConfig?: string): { body: Uint8Array; contentType: string } {
  const boundary = '----kiln-test-4f1c';
  const part = (name: string, file: string): Buffer =>
    Buffer.from(
      `--${boundary}\r\nContent-Disposition: form-data; name="${name}"; filename="${file}"\r\nContent-Type: application/octet-stream\r\n\r\n`,
    );
  const config =
    sampleTypeConfig === undefined
      ? []
      : [part('sample_type_config', 'sample_type_config.json'), Buffer.from(`${sampleTypeConfig}\r\n`)];
  const body = Buffer.concat([
    part('profile', 'profile.pprof'),
    profile,
    Buffer.from('\r\n'),
    ...config,
    Buffer.from(`--${boundary}--\r\n`),
  ]);
  return { body, contentType: `multipart/form-data; boundary=${boundary}` };
}

/** A call of QuerierService; the answer in the shape of protobuf JSON, bytes as Uint8Array, a pprof as its bytes. @throws Error when not 200 */
export async function query(
  url: string,
  method: string,
  request: Readonly<Record<string, unknown>>,
  options: { readonly tenant?: string | undefined; readonly json?: boolean } = {},
): Promise<Record<string, unknown>> {
  const answer = await rawQuery(url, method, request, options);
  if (answer.status !== 200)
    throw new Error(`${method} answered ${answer.status}: ${Buffer.from(answer.body).toString()}`);
  return readAnswer(method, answer.body, options.json ?? false);
}

/** An answer's bytes as `query` gives them. */
export function readAnswer(method: string, body: Uint8Array, json: boolean): Record<string, unknown> {
  if (!json) {
    const { response } = querierMessages[method]!;
    return response === undefined ? { profile: body } : response.decode(body);
  }
  const parsed = JSON.parse(Buffer.from(body).toString()) as Record<string, unknown>;
  if (method === 'SelectMergeProfile') return { profile: pprofFromJson(parsed) };
  if (typeof parsed['tree'] === 'string') parsed['tree'] = new Uint8Array(Buffer.from(parsed['tree'], 'base64'));
  const pprof = parsed['pprof'] as { profile?: Record<string, unknown> } | undefined;
  if (pprof?.profile !== undefined) parsed['pprof'] = { profile: pprofFromJson(pprof.profile) };
  return parsed;
}

/** The same, whatever was answered. */
export function rawQuery(
  url: string,
  method: string,
  request: Readonly<Record<string, unknown>>,
  { tenant, json }: { readonly tenant?: string | undefined; readonly json?: boolean } = {},
): Promise<Answer> {
  const body = json ? Buffer.from(JSON.stringify(request)) : querierMessages[method]!.request.encode(request);
  return post(
    `${url}/querier.v1.QuerierService/${method}`,
    { 'Content-Type': json ? 'application/json' : 'application/proto' },
    body,
    tenant,
  );
}
