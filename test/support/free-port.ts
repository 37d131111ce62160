import { createSocket, type Socket } from 'node:dgram';
import { createServer } from 'node:net';

/** Below the ports that Linux and macOS hand out by themselves: an outgoing connection of any program takes one of those. */
const FIRST = 20_000;
const LAST = 32_767;

/** A UDP socket of the same number says to other tests that a port is taken, and is no obstacle to who listens on it. */
const claims: Socket[] = [];

const claim = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = createSocket('udp4').once('error', () => resolve(false));
    socket.bind({ port, address: '127.0.0.1', exclusive: true }, () => {
      claims.push(socket.unref());
      resolve(true);
    });
  });

const isFree = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const server = createServer().once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });

/**
 * A port of this machine that nobody listens on, and that no other caller is given as long as this process lives: a
 * server may begin to listen on it later, or leave it for a while.
 */
export const freePort = async (): Promise<number> => {
  for (;;) {
    const port = FIRST + Math.floor(Math.random() * (LAST - FIRST + 1));
    if ((await claim(port)) && (await isFree(port))) return port;
  }
};
