import { createServer } from 'node:net';
import { describe, expect, it } from 'vitest';
import { freePorts } from './loopback-ports.ts';

const listening = (port: number) =>
  new Promise<{ port: number; close: () => Promise<unknown> }>((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(port, '127.0.0.1', () => {
      const address = server.address();
      if (typeof address !== 'object' || address === null) throw new Error('expected a port');
      resolve({ port: address.port, close: () => new Promise((closed) => server.close(closed)) });
    });
  });

describe('freePorts', () => {
  it('gives a wanted port that is free, and lets go of it', async () => {
    const [free = 0] = await freePorts([0]);
    expect(await freePorts([free])).toEqual([free]);
    const server = await listening(free);
    expect(server.port).toBe(free);
    await server.close();
  });

  it('gives another for one that is in use, and none twice', async () => {
    const taken = await listening(0);
    const ports = await freePorts([taken.port, taken.port, taken.port]);
    await taken.close();
    expect(ports).not.toContain(taken.port);
    expect(new Set(ports).size).toBe(3);
  });
});
