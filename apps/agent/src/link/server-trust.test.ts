import { createServer as createHttpsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import { deviceRoutes } from '@aviary/protocol';
import { pino } from 'pino';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { makePki, type ServerOptions, type TestPki } from '../testing/fleet-pki.ts';
import { identity } from '../testing/sealed-release.ts';
import { TestGateway } from '../testing/test-gateway.ts';
import { DeviceApi } from './device-api.ts';
import { MqttLink } from './mqtt-link.ts';
import { openTls } from './server-trust.ts';

const DAY_MS = 86_400_000;
/** A time after now that is known to have passed: this machine's clock is behind it. */
const FLOOR = Date.now() + 100 * DAY_MS;

let pki: TestPki;
let stranger: TestPki;
const ends: (() => unknown)[] = [];
beforeAll(async () => {
  pki = await makePki('d-one');
  stranger = await makePki('d-one');
});
afterEach(async () => {
  for (const end of ends.splice(0)) await end();
});

/** A real TLS server, and how many bytes it was sent. */
const tlsServer = async ({ key, certificate }: { key: string; certificate: string }) => {
  let bytes = 0;
  const server = createTlsServer({ key, cert: certificate, minVersion: 'TLSv1.3' }, (socket) => {
    socket.on('error', () => undefined);
    socket.on('data', (chunk) => {
      bytes += chunk.length;
    });
  });
  server.on('tlsClientError', () => undefined);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  ends.push(() => server.close());
  return { port: (server.address() as AddressInfo).port, bytes: () => bytes };
};

const open = async (port: number, floor: number, host = '127.0.0.1'): Promise<string> => {
  try {
    const socket = await openTls({ host, port, credentials: { fleetCa: pki.fleetCa }, floor });
    socket.destroy();
    return 'trusted';
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
};

/** Certificates that a clock of 1970 would all refuse alike. */
const CASES: [
  string,
  () => Promise<{ key: string; certificate: string }> | { key: string; certificate: string },
  RegExp,
][] = [
  ['of another CA', () => stranger.server, /not signed by the fleet CA/],
  ['that had expired by then', () => pki.serve({ to: FLOOR - DAY_MS }), /its certificate has expired on/],
  ['for another host', () => pki.serve({ address: '127.0.0.2' }), /127\.0\.0\.1/],
  ['of a device', () => pki.device, /not that of a server/],
  ['that is its own authority', () => pki.selfSigned(), /not signed by the fleet CA/],
];

describe('with a clock that is known to be wrong', () => {
  it.each<[string, ServerOptions]>([
    ['has not expired by then', {}],
    ['was made after the last time that is known', { from: FLOOR + DAY_MS, to: FLOOR + 30 * DAY_MS }],
  ])('a server of the fleet is trusted whose certificate %s', async (_, options) => {
    const { port } = await tlsServer(await pki.serve(options));
    expect(await open(port, FLOOR)).toBe('trusted');
  });

  it.each(CASES)('a certificate %s is refused, and nothing is sent', async (_, make, words) => {
    const { port, bytes } = await tlsServer(await make());
    expect(await open(port, FLOOR)).toMatch(words);
    expect(bytes()).toBe(0);
  });

  it('the authority itself must not have expired', async () => {
    const { port } = await tlsServer(await pki.serve({ to: FLOOR + 1_000 * DAY_MS }));
    expect(await open(port, FLOOR + 900 * DAY_MS)).toMatch(/the fleet CA has expired/);
  });
});

describe('with a clock that may be right', () => {
  it('a certificate that has not begun is refused, as TLS does', async () => {
    const { port } = await tlsServer(await pki.serve({ from: Date.now() + DAY_MS, to: FLOOR }));
    expect(await open(port, 0)).toMatch(/not yet valid/);
    expect(await open(port, Date.now() - DAY_MS)).toMatch(/not yet valid/);
    expect(await open(port, Date.now() + 2 * DAY_MS)).toBe('trusted');
  });

  it.each(CASES.filter(([name]) => name !== 'that had expired by then' && name !== 'of a device'))(
    'a certificate %s is refused',
    async (_, make) => {
      const { port, bytes } = await tlsServer(await make());
      expect(await open(port, 0)).not.toBe('trusted');
      expect(bytes()).toBe(0);
    },
  );
});

describe('the way to the device plane and to the gateway', () => {
  const credentials = () => ({ fleetCa: pki.fleetCa, ...pki.device });

  const plane = async ({ key, certificate }: { key: string; certificate: string }) => {
    const asked: string[] = [];
    const server = createHttpsServer(
      { key, cert: certificate, ca: pki.fleetCa, requestCert: true },
      (request, answer) => {
        asked.push(request.url ?? '');
        answer.writeHead(404).end();
      },
    );
    server.on('tlsClientError', () => undefined);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const api = new DeviceApi(
      `https://127.0.0.1:${(server.address() as AddressInfo).port}`,
      credentials(),
      () => FLOOR,
    );
    ends.push(() => {
      api.close();
      server.close();
    });
    return { api, asked };
  };

  const link = async (server: { key: string; certificate: string }) => {
    const gateway = new TestGateway();
    const port = await gateway.start(pki.fleetCa, server);
    ends.push(() => gateway.stop());
    const heard: string[] = [];
    const mqtt = new MqttLink(
      { ...identity, ...credentials(), mqttUrl: `mqtts://127.0.0.1:${port}` },
      async () => 1,
      { onConnected: () => heard.push('connected'), onDoorbell: () => undefined, onAck: () => undefined },
      pino({ level: 'silent' }),
      () => FLOOR,
    );
    ends.push(() => mqtt.stop());
    mqtt.start();
    return { gateway, heard };
  };

  it('stand with a certificate that the clock would refuse', async () => {
    const later = await pki.serve({ from: FLOOR - DAY_MS, to: FLOOR + DAY_MS });
    const { api, asked } = await plane(later);
    for (let time = 1; time <= 2; time += 1) {
      await expect(api.call(deviceRoutes.assignment, {})).rejects.toMatchObject({ problem: { status: 404 } });
    }
    expect(asked).toHaveLength(2);
    const { gateway, heard } = await link(later);
    await expect.poll(() => heard).toEqual(['connected']);
    expect(gateway.connected).toEqual(['d-one']);
  });

  it.each(CASES)('fall for a certificate %s, and nothing is sent', async (_, make, words) => {
    const server = await make();
    const { api, asked } = await plane(server);
    await expect(api.call(deviceRoutes.assignment, {})).rejects.toThrow(words);
    expect(asked).toEqual([]);
    const { gateway, heard } = await link(server);
    await new Promise((resolve) => setTimeout(resolve, 500));
    expect(heard).toEqual([]);
    expect(gateway.connected).toEqual([]);
  });
});
