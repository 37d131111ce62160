import { createServer } from 'node:net';

/** A port that a server of ours needs is taken. */
export class PortInUseError extends Error {
  readonly code = 'port-in-use';
}

const listenOnce = (port: number, host: string): Promise<number> =>
  new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once('error', reject);
    probe.listen(port, host, () => {
      const address = probe.address();
      probe.close(() => resolve(typeof address === 'object' && address !== null ? address.port : port));
    });
  });

/** A loopback port that is free at this moment. */
export const freePort = (): Promise<number> => listenOnce(0, '127.0.0.1');

/** @throws PortInUseError that names the option with which to choose another. */
export const checkPortFree = async (port: number, host: string, option: string): Promise<void> => {
  await listenOnce(port, host).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'EADDRINUSE') {
      throw new PortInUseError(
        `Port ${port} on ${host} is in use by another program. Stop that program, or choose another port with ${option}.`,
      );
    }
    if (error.code === 'EACCES') {
      throw new PortInUseError(`Port ${port} may not be used by this user. Choose one above 1023 with ${option}.`);
    }
    throw error;
  });
};
