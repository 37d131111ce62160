import { writeFile } from 'node:fs/promises';
import { createServer as createHttpsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import type { TLSSocket } from 'node:tls';
import { ApiError } from '@aviary/protocol';
import { pino } from 'pino';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { DeviceApi } from '../link/device-api.ts';
import { makePki, type TestPki } from '../testing/fleet-pki.ts';
import { temporaryFolders } from '../testing/temporary-folder.ts';
import { type Credentials, readCredentials, writeCredentials } from './credentials.ts';
import { plainFiles } from './key-keeping.ts';
import { Renewal, type RenewalOptions, renewalTime } from './renewal.ts';

const makeFolder = temporaryFolders();
const log = pino({ level: 'silent' });
const DAY_MS = 86_400_000;
const ends: (() => void)[] = [];
let pki: TestPki;
beforeAll(async () => {
  pki = await makePki('d-one');
});
afterEach(() => {
  for (const end of ends.splice(0)) end();
});

/** A control plane that renews as it is told, and with which certificates it was asked. */
const controlPlane = async (renew: (csr: string) => Promise<string> | string) => {
  const shown: string[] = [];
  const { key, certificate } = pki.server;
  const tls = { key, cert: certificate, ca: pki.fleetCa, requestCert: true };
  const server = createHttpsServer(tls, async (request, response) => {
    shown.push((request.socket as TLSSocket).getPeerX509Certificate()?.toString() ?? '');
    const { csr } = JSON.parse(Buffer.concat(await request.toArray()).toString());
    try {
      response.setHeader('content-type', 'application/json').end(JSON.stringify({ certificate: await renew(csr) }));
    } catch (error) {
      if (!(error instanceof ApiError)) return void request.socket.destroy();
      response.writeHead(error.problem.status, { 'content-type': 'application/problem+json' });
      response.end(JSON.stringify(error.problem));
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const api = new DeviceApi(`https://127.0.0.1:${(server.address() as AddressInfo).port}`, {
    fleetCa: pki.fleetCa,
    ...pki.device,
  });
  ends.push(() => {
    api.close();
    server.closeAllConnections();
    server.close();
  });
  return { api, shown };
};

const start = (api: Pick<DeviceApi, 'call'>, change: Partial<RenewalOptions> = {}) => {
  const renewed: Credentials[] = [];
  const refused: string[] = [];
  const options: RenewalOptions = {
    deviceId: 'd-one',
    fleetCa: pki.fleetCa,
    credentials: pki.device,
    // The test's certificates live for two years, half of which are over; the first look finds them nearly at their end.
    now: () => Date.now() + (renewed.length === 0 ? 364 * DAY_MS : 0),
    keep: async () => undefined,
    onRenewed: (credentials) => renewed.push(credentials),
    onRefused: (words) => refused.push(words),
    ...change,
  };
  const renewal = new Renewal(api, options, log, () => 0);
  ends.push(() => renewal.stop());
  renewal.start();
  return { renewed, refused };
};

const trimmed = ({ key, certificate }: Credentials): Credentials => ({
  key: key.trim(),
  certificate: certificate.trim(),
});

describe('a certificate is renewed', () => {
  it('between two thirds and three quarters of its life', () => {
    const life = { from: 1_000, to: 1_000 + 12 * DAY_MS };
    expect(renewalTime(life, 0)).toBeCloseTo(1_000 + 8 * DAY_MS);
    expect(renewalTime(life, 1)).toBeCloseTo(1_000 + 9 * DAY_MS);
  });

  it('in time, with a new key, which is on disk before it is used', async () => {
    const folder = await makeFolder();
    const { api, shown } = await controlPlane((csr) => pki.certify(csr, 'CN=d-one'));
    await writeCredentials(folder, pki.device, plainFiles);
    let kept: Credentials | undefined;
    const { renewed } = start(api, {
      keep: async (credentials) => {
        await writeCredentials(folder, credentials, plainFiles);
        kept = await readCredentials(folder, plainFiles);
        expect(renewed).toEqual([]);
      },
    });
    await expect.poll(() => renewed.length).toBe(1);
    expect(shown.map((pem) => pem.trim())).toEqual([pki.device.certificate.trim()]);
    expect(renewed.map(trimmed)).toEqual([kept && trimmed(kept)]);
    expect(renewed[0]?.key).not.toBe(pki.device.key);
  });

  it('not before its time', async () => {
    const { api, shown } = await controlPlane((csr) => pki.certify(csr, 'CN=d-one'));
    const { renewed } = start(api, { now: Date.now });
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect([shown, renewed]).toEqual([[], []]);
  });

  it('at the next try when nobody was there or the answer was lost, without a word', async () => {
    let tries = 0;
    const { api } = await controlPlane((csr) => {
      tries += 1;
      if (tries < 3) throw new Error('the line is cut');
      return pki.certify(csr, 'CN=d-one');
    });
    const { renewed, refused } = start(api);
    await expect.poll(() => renewed.length, { timeout: 8_000 }).toBe(1);
    expect(refused).toEqual([]);
  });

  it('not when the disk does not take it: what is used must be there after a power cut', async () => {
    const { api } = await controlPlane((csr) => pki.certify(csr, 'CN=d-one'));
    const full = Object.assign(new Error('the disk is full'), { code: 'ENOSPC' });
    const { renewed, refused } = start(api, { keep: () => Promise.reject(full) });
    await expect.poll(() => refused).toEqual(['the disk is full']);
    expect(renewed).toEqual([]);
  });

  it.each<[string, (csr: string) => Promise<string> | string, string]>([
    ['for another key', () => pki.device.certificate, 'another key'],
    ['under another name', (csr) => pki.certify(csr, 'CN=d-two'), 'names CN=d-two instead of d-one'],
    ['that is none', () => 'none', 'cannot be read'],
  ])('not by one %s, and says so once', async (_, renew, words) => {
    let tries = 0;
    const { api } = await controlPlane((csr) => {
      tries += 1;
      return renew(csr);
    });
    const kept: Credentials[] = [];
    const { renewed, refused } = start(api, { keep: async (credentials) => void kept.push(credentials) });
    await expect.poll(() => tries, { timeout: 8_000 }).toBeGreaterThan(2);
    expect(refused).toEqual([expect.stringContaining(words)]);
    expect([kept, renewed]).toEqual([[], []]);
  });

  it('and a refusal is told with the reason of the control plane', async () => {
    const problem = { type: 'about:blank', title: 'No', status: 403, code: 'device-revoked', detail: 'it was revoked' };
    const { api } = await controlPlane(() => {
      throw new ApiError(problem);
    });
    const { refused } = start(api);
    await expect.poll(() => refused).toEqual(['it was revoked']);
  });

  it('as one file: a draft that a power cut has left changes nothing', async () => {
    const folder = await makeFolder();
    await writeCredentials(folder, pki.device, plainFiles);
    await writeFile(join(folder, 'device.pem.new'), '-----BEGIN PRIV');
    expect(trimmed(await readCredentials(folder, plainFiles))).toEqual(trimmed(pki.device));
  });
});
