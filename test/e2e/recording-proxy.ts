import { createServer, request as forward, type IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';

/** A request of a client as it came. */
export interface Recorded {
  /** Path and query. */
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: Uint8Array;
  readonly receivedMs: number;
  /** What the server answered. */
  readonly status: number;
}

export interface RecordingProxy {
  readonly url: string;
  readonly requests: Recorded[];
  close(): void;
}

/** Stands between a client and the server: keeps every request, changes none. */
export async function recordingProxy(target: string): Promise<RecordingProxy> {
  const requests: Recorded[] = [];
  const server = createServer((request, response) => {
    const receivedMs = Date.now();
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const body = Buffer.concat(chunks);
      const { host: _, ...headers } = request.headers;
      const onward = forward(target + request.url!, { method: request.method!, headers }, (answer) => {
        requests.push({ url: request.url!, headers: request.headers, body, receivedMs, status: answer.statusCode! });
        response.writeHead(answer.statusCode!, answer.headers);
        answer.pipe(response);
      });
      onward.on('error', () => response.destroy());
      onward.end(body);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    close: () => {
      server.close();
      server.closeAllConnections();
    },
  };
}
