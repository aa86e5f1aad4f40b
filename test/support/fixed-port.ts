import { connect, createServer, type AddressInfo, type Socket } from 'node:net';

/** A port that stays while the server behind it comes and goes. */
export interface FixedPort {
  /** `http://127.0.0.1:<port>` */
  readonly url: string;
  /** Passes connections on to that server from now on; undefined: refuses them, and cuts those there are. */
  lead(to: string | undefined): void;
  close(): void;
}

/** Opens one that leads nowhere yet. */
export async function fixedPort(): Promise<FixedPort> {
  let target: string | undefined;
  const open = new Set<Socket>();
  const cut = (): void => open.forEach((socket) => socket.destroy());
  const server = createServer((client) => {
    open.add(client);
    client.on('error', () => undefined).on('close', () => open.delete(client));
    if (target === undefined) {
      client.destroy();
      return;
    }
    const { hostname, port } = new URL(target);
    const onward = connect(Number(port), hostname);
    onward.on('error', () => client.destroy());
    client.on('close', () => onward.destroy());
    client.pipe(onward).pipe(client);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    lead: (to) => {
      target = to;
      cut();
    },
    close: () => {
      cut();
      server.close();
    },
  };
}
