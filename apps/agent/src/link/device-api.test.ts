import type { RequestListener } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { deviceRoutes } from '@aviary/protocol';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { makePki } from '../testing/fleet-pki.ts';
import { DeviceApi } from './device-api.ts';

let pki: Awaited<ReturnType<typeof makePki>>;
const ends: (() => void)[] = [];
beforeAll(async () => {
  pki = await makePki('d-one');
});
afterEach(() => {
  for (const end of ends.splice(0)) end();
});

/** A device plane that answers so, and a device's way to it. */
const answering = async (handler: RequestListener, fleetCa = pki.fleetCa) => {
  const { key, certificate: cert } = pki.server;
  const server = createServer({ key, cert, ca: pki.fleetCa, requestCert: true, rejectUnauthorized: false });
  server.on('request', handler);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const api = new DeviceApi(`https://127.0.0.1:${(server.address() as AddressInfo).port}`, { fleetCa, ...pki.device });
  ends.push(() => {
    api.close();
    server.closeAllConnections();
    server.close();
  });
  return api;
};

const envelope = { payloadType: 'x', payload: 'eA==', signatures: [{ keyid: 'k', sig: 'eA==' }] };

describe('the way to the device plane', () => {
  it('shows the certificate of the device, and checks what is answered', async () => {
    const seen: unknown[] = [];
    const api = await answering((request, response) => {
      seen.push((request.socket as TLSSocket).getPeerCertificate().subject.CN, request.url);
      response.setHeader('content-type', 'application/json');
      response.end(JSON.stringify({ assignment: envelope }));
    });
    expect(await api.call(deviceRoutes.assignment, {})).toEqual({ assignment: envelope });
    expect(seen).toEqual(['d-one', '/device/v1/assignment']);
  });

  it('gives the reason of a refusal as it was said', async () => {
    const problem = { type: 'about:blank', title: 'None', status: 404, code: 'no-assignment', detail: 'none yet' };
    const api = await answering((_, response) => {
      response.writeHead(404, { 'content-type': 'application/problem+json' }).end(JSON.stringify(problem));
    });
    await expect(api.call(deviceRoutes.assignment, {})).rejects.toMatchObject({ problem, message: 'none yet' });
  });

  it.each<[string, RequestListener]>([
    ['no JSON', (_, response) => response.end('<html>')],
    ['something else', (_, response) => response.end('{"assignment":7}')],
    ['more than it should', (_, response) => response.end(Buffer.alloc(5 * 1024 * 1024, 'x'))],
    [
      'half of it',
      (_, response) => response.writeHead(200, { 'content-length': 100 }).write('{', () => response.destroy()),
    ],
    ['another way to be asked', (_, response) => response.writeHead(302, { location: 'http://127.0.0.1/' }).end()],
  ])('takes an answer for none that has %s', async (_, handler) => {
    const api = await answering(handler);
    await expect(api.call(deviceRoutes.assignment, {})).rejects.toBeInstanceOf(Error);
  });

  it('tells no server of another fleet anything', async () => {
    let asked = 0;
    const { fleetCa } = await makePki('d-one');
    const api = await answering((_, response) => {
      asked += 1;
      response.end();
    }, fleetCa);
    await expect(api.call(deviceRoutes.assignment, {})).rejects.toThrow(/certificate|signature/);
    expect(asked).toBe(0);
  });

  it('opens a stream from a byte on, and says what a refusal was', async () => {
    const ranges: unknown[] = [];
    const api = await answering((request, response) => {
      ranges.push(request.headers.range);
      if (request.url === '/missing') response.writeHead(404).end('no such blob');
      else response.writeHead(206).end('rest');
    });
    const { signal } = new AbortController();
    const response = await api.stream('/blob', 10, signal);
    expect(Buffer.concat(await response.toArray()).toString()).toBe('rest');
    await (await api.stream('/blob', 0, signal)).toArray();
    expect(ranges).toEqual(['bytes=10-', undefined]);
    await expect(api.stream('/missing', 0, signal)).rejects.toMatchObject({
      code: 'blob-refused',
      message: 'no such blob',
    });
  });

  it('lets go of a stream when it is told to', async () => {
    const api = await answering((_, response) => void response.write('first'));
    const controller = new AbortController();
    const response = await api.stream('/blob', 0, controller.signal);
    const reading = response.toArray();
    controller.abort();
    await expect(reading).rejects.toBeInstanceOf(Error);
    await expect(api.stream('/blob', 0, AbortSignal.abort())).rejects.toBeInstanceOf(Error);
  });
});
