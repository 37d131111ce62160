import { X509Certificate } from 'node:crypto';
import { ApiError, deviceRoutes } from '@aviary/protocol';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Credentials, makeKey, requestFor } from '../../apps/agent/src/identity/credentials.ts';
import { type Identity, loadIdentity } from '../../apps/agent/src/identity/identity.ts';
import { DeviceApi } from '../../apps/agent/src/link/device-api.ts';
import { TestFleet, until } from '../support/test-fleet.ts';

/** Long enough for a slow machine to renew in the last third of it. */
const LIFE_S = 24;

let fleet: TestFleet;

beforeAll(async () => {
  fleet = await TestFleet.start('--device-cert-seconds', String(LIFE_S));
  await fleet.addDevice('steady', 'rpi5');
  await fleet.addDevice('away', 'rpi5');
});
afterAll(() => fleet.stop());

const identityOf = (name: string): Promise<Identity> => loadIdentity(fleet.stateDirectory(name));
const show = (id: string) => fleet.client.showDevice({ params: { id } });
const fingerprintOf = (certificate: string): string =>
  new X509Certificate(certificate).fingerprint256.replaceAll(':', '').toLowerCase();

/** @returns what the control plane says to these credentials, `fine` when they are taken */
const says = async (credentials: Credentials & { fleetCa: string }): Promise<string> => {
  const api = new DeviceApi(fleet.deviceUrl, credentials);
  const answer = await api.call(deviceRoutes.assignment, {}).catch((error: unknown) => error);
  api.close();
  if (!(answer instanceof ApiError)) throw answer;
  return answer.code === 'assignment-unknown' ? 'fine' : answer.code;
};

const renew = async (credentials: Credentials & { fleetCa: string }): Promise<Credentials & { fleetCa: string }> => {
  const api = new DeviceApi(fleet.deviceUrl, credentials);
  const key = await makeKey();
  try {
    const { certificate } = await api.call(deviceRoutes.renew, { body: { csr: await requestFor(key) } });
    return { key, certificate, fleetCa: credentials.fleetCa };
  } finally {
    api.close();
  }
};

const expiry = ({ certificate }: Credentials): number => new X509Certificate(certificate).validToDate.getTime();
const hasExpired = (credentials: Credentials): Promise<true> =>
  until('the end of a certificate', 2 * LIFE_S, async () =>
    Date.now() > expiry(credentials) + 1_000 ? true : undefined,
  );

describe('a certificate', () => {
  it('is renewed again and again, and the device stays what it is', async () => {
    const first = await identityOf('steady');
    const second = await until('a renewal', 2 * LIFE_S, async () => {
      const now = await identityOf('steady');
      return now.certificate === first.certificate ? undefined : now;
    });
    expect(second).toMatchObject({ deviceId: first.deviceId, epoch: 1, ageIdentity: first.ageIdentity });
    expect(second.key).not.toBe(first.key);
    await until('the new one being used', 10, async () => {
      const { certificate, presence } = await show(first.deviceId);
      return certificate.fingerprint === fingerprintOf(second.certificate) && presence === 'online' ? true : undefined;
    });
    // Used once, it is the only one.
    expect(await says(first)).toBe('device-unknown');
    await expect(renew(first)).rejects.toMatchObject({ code: 'device-unknown' });
    await hasExpired(second);
    await until('the device after the end of its second certificate', 15, async () =>
      (await show(first.deviceId)).presence === 'online' ? true : undefined,
    );
    expect(await fleet.holes()).toEqual([]);
    const events = (await show(first.deviceId)).events.map(({ code }) => code);
    expect(events).not.toContain('certificate-not-renewed');
  });

  it('may be renewed when it has expired while the device was away; nothing else takes it then', async () => {
    await fleet.agents.get('away')?.stop();
    const old = await identityOf('away');
    await hasExpired(old);
    expect(await says(old)).toBe('certificate-expired');
    fleet.startAgent('away');
    await until('the device coming back', 20, async () =>
      (await show(old.deviceId)).presence === 'online' ? true : undefined,
    );
    await fleet.agents.get('away')?.stop();
    expect(await says(old)).toBe('device-unknown');
  });

  it('counts on until the next was used: a lost answer locks nobody out', async () => {
    const now = await renew(await identityOf('away'));
    expect(await says(now)).toBe('fine');
    const lost = await renew(now);
    expect(await says(now)).toBe('fine');
    const again = await renew(now);
    expect(await says(now)).toBe('fine');
    expect(await says(again)).toBe('fine');
    expect(await says(now)).toBe('device-unknown');
    expect(await says(lost)).toBe('device-unknown');
    await expect(renew(lost)).rejects.toMatchObject({ code: 'device-unknown' });
    // Renewed and never shown, it is the newest all the same.
    const unseen = await renew(again);
    await hasExpired(unseen);
    const after = await renew(unseen);
    expect(await says(after)).toBe('fine');
    expect(await says(again)).toBe('device-unknown');
  });

  it('is not renewed after the grace, nor by whoever only knows it', async () => {
    const { deviceId, fleetCa } = await identityOf('away');
    const { key } = await identityOf('steady');
    const api = new DeviceApi(fleet.deviceUrl, { fleetCa });
    await expect(api.call(deviceRoutes.renew, { body: { csr: await requestFor(key) } })).rejects.toMatchObject({
      code: 'certificate-missing',
    });
    api.close();
    await fleet.agents.get('steady')?.stop();
    const last = await identityOf('steady');
    await hasExpired(last);
    await fleet.query(
      `update device set certificate_expires_at = now() - interval '31 days' where id <> '${deviceId}'`,
    );
    const tooLate = await renew(last).catch((error: unknown) => error);
    expect(tooLate).toMatchObject({ code: 'certificate-expired' });
    expect(tooLate).toHaveProperty('message', expect.stringContaining('enroll-token --device'));
  });

  it('that was revoked is not renewed', async () => {
    const { deviceId } = await identityOf('steady');
    await fleet.client.revokeDevice({ params: { id: deviceId } });
    await expect(renew(await identityOf('steady'))).rejects.toMatchObject({ code: 'device-revoked' });
  });
});
