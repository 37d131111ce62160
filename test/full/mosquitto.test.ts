import { appendFile, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { deviceTopics } from '@aviary/protocol';
import { connectAsync, type MqttClient } from 'mqtt';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadIdentity } from '../../apps/agent/src/identity/identity.ts';
import { examine } from '../support/doctor.ts';
import { expectRolloutSurvives } from '../support/killed.ts';
import { TestFleet, until } from '../support/test-fleet.ts';
import { describeWholeWay } from '../support/whole-way.ts';

/** A fleet with a release on four devices, on a machine that has much else to do. */
const LONG_MS = 300_000;

describeWholeWay('with Mosquitto and two gateways', () => TestFleet.startWithMosquitto());

describe('Mosquitto', () => {
  let fleet: TestFleet;

  beforeAll(async () => {
    fleet = await TestFleet.startWithMosquitto();
    const names = ['one', 'two', 'three', 'four'];
    await Promise.all(names.map((name, index) => fleet.addDevice(name, index % 2 === 0 ? 'rpi4' : 'rpi5')));
    await fleet.push({ version: '1.0.0', manner: 'sure' });
    expect((await fleet.ended(await fleet.rollOut('1.0.0'))).state).toBe('FINISHED');
    await fleet.push({ version: '1.1.0', manner: 'sure' });
  }, LONG_MS);
  afterAll(() => fleet?.stop());

  const online = async (count: number) =>
    until(`${count} devices online`, 60, async () => {
      const { items } = await fleet.client.listDevices({ query: { selector: 'presence=online' } });
      return items.length === count ? true : undefined;
    });

  it('takes as many gateways as there are, and one is enough', async () => {
    const logs = ['control-plane.log', 'gateway-0.log'].map((log) => readFile(join(fleet.directory, log), 'utf8'));
    for (const log of await Promise.all(logs)) expect(log).toContain('connected to the broker');
    await fleet.gateways.at(-1)?.stop();
    const [before] = await fleet.query<{ seq: string }>('select sum(seq) as seq from telemetry_position');
    await until('more telemetry', 30, async () => {
      const [now] = await fleet.query<{ seq: string }>('select sum(seq) as seq from telemetry_position');
      return Number(now?.seq) >= Number(before?.seq) + 12 ? true : undefined;
    });
    await fleet.startGateway();
    await online(4);
  });

  it(
    'a rollout survives the kill of each gateway, of the broker, of api and conductor, and of an agent',
    async () => {
      await expectRolloutSurvives(fleet, '1.1.0', async () => {
        process.kill(await fleet.pidOf('gateway'), 'SIGKILL');
        await pause(1_200);
        await fleet.mosquitto?.stop('SIGKILL');
        await pause(500);
        await fleet.mosquitto?.start();
        process.kill(fleet.gateways.at(-1)?.pid ?? 0, 'SIGKILL');
        await fleet.startGateway();
        for (const role of ['conductor', 'api'] as const) {
          process.kill(await fleet.pidOf(role), 'SIGKILL');
          await pause(1_200);
        }
      });
    },
    LONG_MS,
  );

  it('learns from retained presence who has gone and come while no gateway was there', async () => {
    await online(4);
    const launcher = await fleet.pidOf('gateway');
    await fleet.gateways.at(-1)?.stop();
    // Stopped, so that the launcher does not start it again meanwhile.
    process.kill(launcher, 'SIGSTOP');
    await fleet.agents.get('four')?.stop();
    await fleet.agents.get('two')?.stop();
    fleet.startAgent('two');
    await pause(2_000);
    process.kill(launcher, 'SIGKILL');
    await until('only "four" offline', 30, async () => {
      const devices = await fleet.devices();
      const away = devices.filter(({ presence }) => presence === 'offline').map(({ name }) => name);
      return away.join() === 'four' ? true : undefined;
    });
    await fleet.startGateway();
    fleet.startAgent('four');
    await online(4);
  });

  describe('with a device that was revoked', () => {
    const clients: MqttClient[] = [];
    let deviceId: string;

    /** Comes with the certificate of a device whose agent is away. */
    const comeAs = async (name: string): Promise<MqttClient> => {
      const identity = await loadIdentity(fleet.stateDirectory(name));
      const options = {
        protocolVersion: 5,
        clientId: identity.deviceId,
        reconnectPeriod: 0,
        key: identity.key,
        cert: identity.certificate,
        ca: identity.fleetCa,
      } as const;
      const client = await connectAsync(identity.mqttUrl, options, false);
      clients.push(client);
      return client;
    };

    /** Each of the gateways may have ended a session that came meanwhile, so that it hears no answer: it comes again. */
    const expectRefused = async (act: (client: MqttClient) => Promise<unknown>): Promise<void> => {
      const answer = await until('an answer of the broker', 30, async () => {
        const client = await comeAs('four');
        return Promise.race([
          act(client).then(
            () => 'allowed',
            (error: Error) => error.message,
          ),
          new Promise<undefined>((resolve) => client.once('close', () => resolve(undefined))),
        ]);
      });
      expect(answer).toContain('Not authorized');
    };

    beforeAll(async () => {
      await fleet.agents.get('four')?.stop();
      ({ deviceId } = await loadIdentity(fleet.stateDirectory('four')));
    });
    afterAll(() => {
      for (const client of clients) client.end(true);
    });

    it('ends its session at once, and refuses it whatever it does later', async () => {
      const topics = deviceTopics(deviceId);
      const live = await comeAs('four');
      await live.publishAsync(topics.telemetry, '{}', { qos: 1 });
      const closed = new Promise<void>((resolve) => live.once('close', () => resolve()));
      expect(await fleet.aviary('device', 'revoke', deviceId, '--yes')).toContain('revoked');
      await closed;
      // Names come from certificates, so it is let in; and then may do nothing.
      await expectRefused((again) => again.publishAsync(topics.telemetry, '{}', { qos: 1 }));
      await expectRefused((again) => again.subscribeAsync(topics.down));
    });

    it('refuses it after a restart of the broker, too', async () => {
      await fleet.mosquitto?.stop();
      await fleet.mosquitto?.start();
      const { telemetry } = deviceTopics(deviceId);
      await expectRefused((barred) => barred.publishAsync(telemetry, '{}', { qos: 1 }));
    });

    it('hears nothing of its agent, which goes on reporting, until it has joined again', async () => {
      const stored = async () => {
        const [row] = await fleet.query<{ n: string }>(
          `select count(*) as n from telemetry_batch where device_id = '${deviceId}'`,
        );
        return Number(row?.n);
      };
      fleet.startAgent('four');
      const before = await stored();
      await pause(4_000);
      expect(await stored()).toBe(before);
      expect((await fleet.client.showDevice({ params: { id: deviceId } })).presence).toBe('offline');
      await fleet.agents.get('four')?.stop();
      await fleet.joinAgain('four');
      await online(4);
      await until('telemetry of its second epoch', 30, async () => ((await stored()) > before ? true : undefined));
    });
  });

  describe('under aviary doctor', () => {
    it('is well, and leaves no probe behind', async () => {
      const { code, checks } = await examine(fleet);
      expect(checks.filter(({ ok }) => !ok)).toEqual([]);
      expect(code).toBe(0);
      expect(checks.map(({ name }) => name)).toContain('mqtt-foreign-read');
      expect(await fleet.query('select id from probe')).toEqual([]);
    });

    it('is not when a gateway is missing', async () => {
      const launcher = await fleet.pidOf('gateway');
      await fleet.gateways.at(-1)?.stop();
      process.kill(launcher, 'SIGSTOP');
      await fleet.mosquitto?.stop();
      await fleet.mosquitto?.start();
      const { code, failures } = await examine(fleet);
      process.kill(launcher, 'SIGKILL');
      expect(failures).toEqual(['mqtt-own-topics']);
      expect(code).toBe(1);
      await fleet.startGateway();
      await online(4);
    });

    it(
      'is not when its access list lets devices write in the name of others, or read what they say',
      async () => {
        const acl = join(fleet.mosquitto?.folder ?? '', 'acl');
        await appendFile(acl, '\npattern write aviary/v1/d/#\n');
        fleet.mosquitto?.reload();
        expect(await examine(fleet)).toMatchObject({ code: 1, failures: ['mqtt-foreign-publish'] });
        await appendFile(acl, 'pattern read aviary/v1/d/+/up/telemetry\n');
        fleet.mosquitto?.reload();
        const both = ['mqtt-foreign-publish', 'mqtt-foreign-read'];
        expect(await examine(fleet)).toMatchObject({ code: 1, failures: both });
      },
      LONG_MS,
    );
  });
});
