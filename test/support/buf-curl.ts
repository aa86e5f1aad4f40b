import { execFileSync, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { text } from 'node:stream/consumers';
import type { Protocol, Transport } from './rpc-call.ts';

const repository = resolve(import.meta.dirname, '../..');
const buf = resolve(repository, `node_modules/@bufbuild/buf-${process.platform}-${process.arch}/bin/buf`);

/** Whether the binary of `@bufbuild/buf` for this machine is installed. */
export function hasBuf(): boolean {
  return existsSync(buf);
}

/** Writes the schema of `proto/` to a file, so that a call need not compile it. */
export function buildSchema(file: string): void {
  execFileSync(buf, ['build', 'proto', '-o', file], { cwd: repository });
}

export interface BufCurl {
  /** The file of `buildSchema`. */
  readonly schema: string;
  readonly url: string;
  readonly protocol: Protocol;
  readonly transport: Transport;
  /** `package.Service/Method` */
  readonly method: string;
  readonly request: object;
  readonly headers?: Readonly<Record<string, string>>;
  readonly flags?: readonly string[];
}

/** What `buf curl` printed: the answer as JSON, or the name and the sentence of the error. */
export interface BufAnswer {
  readonly code: string;
  readonly sentence: string;
  readonly json: string;
  /** All it said on the way, with `-v` among the flags. */
  readonly said: string;
}

/** A call by `buf curl`: connect-go, which is the library in Grafana, Alloy and profilecli. The messages travel as protobuf, answers compressed. */
export async function bufCurl(call: BufCurl): Promise<BufAnswer> {
  const { schema, url, protocol, transport, method, request, headers = {}, flags = [] } = call;
  const isPlain = url.startsWith('http:');
  const args = [
    'curl',
    '--schema',
    schema,
    '--protocol',
    protocol,
    '-d',
    '@-',
    ...(isPlain && transport === 'http2' ? ['--http2-prior-knowledge'] : []),
    ...Object.entries(headers).flatMap(([name, value]) => ['-H', `${name}: ${value}`]),
    ...flags,
    `${url}/${method}`,
  ];
  const child = spawn(buf, args, { cwd: repository, stdio: 'pipe' });
  child.stdin.on('error', () => undefined); // it may end before it has read all
  child.stdin.end(JSON.stringify(request));
  const exited = new Promise<number | null>((done) => child.once('exit', (status) => done(status)));
  const [out, said, status] = await Promise.all([text(child.stdout), text(child.stderr), exited]);
  if (status === 0) return { code: 'ok', sentence: '', json: out, said };
  const printed = said.slice(said.lastIndexOf('\n{') + 1);
  try {
    const { code, message } = JSON.parse(printed) as { code: string; message: string };
    return { code, sentence: message, json: '', said };
  } catch {
    throw new Error(`buf curl ended with ${status}: ${said}`);
  }
}
