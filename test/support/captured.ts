import { existsSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';

/** The folder of real profiles and captured requests, `KILN_DATA` or ../shared/data; undefined where there is none. */
export const dataDir: string | undefined = findData();

/** A captured request or scrape answer. */
export interface Capture {
  readonly client: string;
  readonly version?: string;
  readonly file: string;
  readonly method?: string;
  readonly path?: string;
  readonly query?: string;
  readonly headers?: readonly (readonly [string, string])[];
  readonly scrape?: boolean;
  readonly status?: number;
}

/** Why captures are missing, for the line that says so. */
export const whyNoData = 'no folder of real profiles: neither KILN_DATA nor ../shared/data';

/** Clients of this version's wire forms. */
const inScope = /^(?:python|go|node|rust)-(?:current|legacy)$|^go-spans$|^canary-exporter$|^go-scrape$|^pypprof$/;
/** Where they push to; some did so below this prefix. */
export const capturedPrefix = '/base';
const pushPath = /^(?:\/base)?\/{1,2}(?:push\.v1\.PusherService\/Push|ingest)$/;

/** The captures that this version must take: pushes and `/ingest` of pprof, and scraped pprofs. */
export function capturesInScope(): Capture[] {
  if (dataDir === undefined) return [];
  const index = JSON.parse(readFileSync(resolve(dataDir, 'captured/index.json'), 'utf8')) as Capture[];
  return index.filter(
    ({ client, path, scrape, status }) =>
      inScope.test(client) && (scrape === true ? status === 200 : pushPath.test(path ?? '')),
  );
}

/** What profilecli asked: reads by Connect, gRPC over HTTP/1.1, gRPC-Web and GET. */
export function profilecliCaptures(): Capture[] {
  if (dataDir === undefined) return [];
  const index = JSON.parse(readFileSync(resolve(dataDir, 'captured/index.json'), 'utf8')) as Capture[];
  return index.filter(({ client }) => client === 'profilecli');
}

/** The raw body of a capture. */
export function captureBody({ file }: Capture): Uint8Array {
  return new Uint8Array(readFileSync(resolve(dataDir!, 'captured', file)));
}

/** Headers by lower-case name, without those that belong to the connection. */
export function captureHeaders({ headers = [] }: Capture): Record<string, string> {
  const dropped = new Set(['host', 'connection', 'content-length', 'transfer-encoding', 'keep-alive']);
  return Object.fromEntries(
    headers.map(([name, value]) => [name.toLowerCase(), value]).filter(([name]) => !dropped.has(name!)),
  );
}

function findData(): string | undefined {
  const folder = process.env['KILN_DATA'] ?? resolve(import.meta.dirname, '../../../shared/data');
  return existsSync(resolve(folder, 'captured/index.json')) ? folder : undefined;
}
