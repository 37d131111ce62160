import { type ApiError, deviceRoutes, routeUrl } from '@aviary/protocol';
import { connect } from 'mqtt';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Identity, loadIdentity } from '../../apps/agent/src/identity/identity.ts';
import { DeviceApi } from '../../apps/agent/src/link/device-api.ts';
import { TestFleet, until } from '../support/test-fleet.ts';

let fleet: TestFleet;
let thief: Identity;

beforeAll(async () => {
  fleet = await TestFleet.start();
  await fleet.addDevice('stolen', 'rpi5');
  await fleet.addDevice('honest', 'rpi5');
  await fleet.push({ version: '1.0.0', manner: 'sure' });
  await fleet.ended(await fleet.rollOut('1.0.0'));
  thief = await loadIdentity(fleet.stateDirectory('stolen'));
});
afterAll(() => fleet.stop());

const show = (id: string) => fleet.client.showDevice({ params: { id } });

/** Connects with the certificate alone. @returns whether it was let in; it stays connected then */
const connects = (identity: Identity) =>
  new Promise<{ ended: Promise<void> } | undefined>((resolve) => {
    const { deviceId, mqttUrl, key, certificate, fleetCa } = identity;
    const client = connect(mqttUrl, {
      ...{ clientId: deviceId, clean: true, reconnectPeriod: 0, key, cert: certificate, ca: fleetCa },
    });
    const ended = new Promise<void>((done) => client.once('close', () => done()));
    client.on('error', () => undefined);
    client.once('connect', () => resolve({ ended }));
    void ended.then(() => {
      client.end(true);
      resolve(undefined);
    });
  });

const refusalOf = async (ask: (api: DeviceApi) => Promise<unknown>) => {
  const api = new DeviceApi(fleet.deviceUrl, thief);
  const answer = await ask(api).catch((error: ApiError) => error.problem);
  api.close();
  return answer;
};

describe('a revoked device', () => {
  it('loses its session within seconds, and is refused everywhere, while the others go on', async () => {
    // What a thief has: the certificate, and a connection that was let in before.
    await fleet.agents.get('stolen')?.stop();
    const session = await connects(thief);
    expect(session).toBeDefined();
    const [variant] = await fleet.query<{ sha256: string }>('select sha256 from variant');
    const blob = routeUrl(deviceRoutes.blob, { params: { sha256: variant?.sha256 ?? '' } });
    expect(await refusalOf((api) => api.bytes(blob, 2 ** 24, 5_000))).toBeInstanceOf(Buffer);

    const said = await fleet.aviary('device', 'revoke', thief.deviceId, '--yes');
    expect(said).toContain(`${thief.deviceId}  revoked`);
    await session?.ended;

    expect(await connects(thief)).toBeUndefined();
    const refused = { status: 403, code: 'device-revoked', detail: expect.stringContaining('enroll-token --device') };
    expect(await refusalOf((api) => api.call(deviceRoutes.assignment, {}))).toMatchObject(refused);
    expect(await refusalOf((api) => api.bytes(blob, 2 ** 24, 5_000))).toMatchObject(refused);
    const csr = '-----BEGIN CERTIFICATE REQUEST-----\n-----END CERTIFICATE REQUEST-----';
    expect(await refusalOf((api) => api.call(deviceRoutes.renew, { body: { csr } }))).toMatchObject(refused);

    expect(await show(thief.deviceId)).toMatchObject({ presence: 'offline', revokedAt: expect.any(Number) });
    expect(await fleet.aviary('device', 'list')).toMatch(new RegExp(`${thief.deviceId}.*revoked`));
    expect(await fleet.aviary('device', 'show', thief.deviceId)).toMatch(/revoked \d+s ago/);
    const honest = (await fleet.devices()).find(({ id }) => id !== thief.deviceId);
    expect(honest).toMatchObject({ presence: 'online', revokedAt: null });
    expect((await fleet.client.showOverview({})).devices).toMatchObject({ total: 1, online: 1 });
  });

  it('is in no rollout that begins after', async () => {
    await fleet.push({ version: '1.1.0', manner: 'sure' });
    const id = await fleet.rollOut('1.1.0');
    expect(await fleet.ended(id)).toMatchObject({ state: 'FINISHED' });
    const { items } = await fleet.client.listExecutions({ params: { id }, query: {} });
    expect(items.map(({ deviceId }) => deviceId)).not.toContain(thief.deviceId);
    expect(items).toHaveLength(1);
  });

  it('is not waited for by a rollout that is under way', async () => {
    await fleet.addDevice('late', 'rpi5');
    const { deviceId } = await loadIdentity(fleet.stateDirectory('late'));
    await fleet.agents.get('late')?.stop();
    await fleet.push({ version: '1.2.0', manner: 'sure' });
    const id = await fleet.rollOut('1.2.0', [{ size: '100%', soak: '0s' }]);
    const of = async () => (await fleet.client.deviceExecutions({ params: { id: deviceId } })).items[0];
    await until('the late device being asked', 20, async () => ((await of())?.state === 'NOTIFIED' ? true : undefined));
    await fleet.client.revokeDevice({ params: { id: deviceId } });
    expect(await of()).toMatchObject({ state: 'REMOVED', reason: 'the device was revoked' });
    expect(await fleet.ended(id, 40)).toMatchObject({ state: 'FINISHED' });
  });

  it('and one that there is not, is told apart', async () => {
    await expect(fleet.client.revokeDevice({ params: { id: 'd-nobody' } })).rejects.toMatchObject({
      code: 'device-unknown',
    });
    await expect(fleet.aviary('device', 'revoke', thief.deviceId)).rejects.toThrow('say --yes');
  });
});
