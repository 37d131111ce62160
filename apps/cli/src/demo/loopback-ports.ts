import { createServer, type Server } from 'node:net';

const listen = (port: number): Promise<Server> =>
  new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(port, '127.0.0.1', () => resolve(server));
  });

const portOf = (server: Server): number => {
  const address = server.address();
  if (typeof address !== 'object' || address === null) throw new Error('Expected a server that listens on a port.');
  return address.port;
};

/** Each of the wanted ports when it is free, else any other that is, no port twice. */
export const freePorts = async (wanted: readonly number[]): Promise<number[]> => {
  // All are held until the last is chosen, so that the system does not hand out one of them again.
  const held: Server[] = [];
  for (const port of wanted) held.push(await listen(port).catch(() => listen(0)));
  const ports = held.map(portOf);
  await Promise.all(held.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
};
