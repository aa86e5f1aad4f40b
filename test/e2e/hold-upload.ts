import { connect, type Socket } from 'node:net';

/**
 * Sends so many bytes of a Push over HTTP/1.1 and never ends it. Resolves when the last byte is handed to the server; whoever asked for it destroys the
 * socket.
 */
export async function holdUpload(
  url: string,
  bytes: number,
  headers: Readonly<Record<string, string>> = {},
): Promise<Socket> {
  const socket = connect(Number(new URL(url).port), '127.0.0.1');
  socket.on('error', () => undefined);
  socket.resume();
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  socket.write(
    `POST /push.v1.PusherService/Push HTTP/1.1\r\nHost: x\r\nContent-Type: application/proto\r\n${lines.join('')}Content-Length: ${bytes + 1}\r\n\r\n`,
  );
  const piece = new Uint8Array(1024 * 1024);
  for (let sent = 0; sent < bytes; sent += piece.length) {
    const part = piece.subarray(0, Math.min(piece.length, bytes - sent));
    await new Promise<void>((done) => socket.write(part, () => done()));
  }
  return socket;
}
