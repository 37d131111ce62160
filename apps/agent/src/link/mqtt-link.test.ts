import { setTimeout as pause } from 'node:timers/promises';
import { Backoff, deviceTopics, type TelemetryAck } from '@aviary/protocol';
import { pino } from 'pino';
import { afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import type { Identity } from '../identity/identity.ts';
import { makePki } from '../testing/fleet-pki.ts';
import { eventRecord } from '../testing/records.ts';
import { identity } from '../testing/sealed-release.ts';
import { TestGateway } from '../testing/test-gateway.ts';
import { MqttLink } from './mqtt-link.ts';

const log = pino({ level: 'silent' });
const topics = deviceTopics('d-one');
/** Longer than any test. */
const LONG_MS = 600_000;
const batch = { epoch: 1, seq: 1, records: [eventRecord('one')] };
let pki: Awaited<ReturnType<typeof makePki>>;
const ends: (() => Promise<void>)[] = [];
beforeAll(async () => {
  pki = await makePki('d-one');
});
afterEach(async () => {
  vi.useRealTimers();
  vi.restoreAllMocks();
  for (const end of ends.splice(0).reverse()) await end();
});

const startGateway = async () => {
  const gateway = new TestGateway();
  const port = await gateway.start(pki.fleetCa, pki.server);
  ends.push(() => gateway.stop());
  return { gateway, port };
};

const startLink = (port: number, change: Partial<Identity> = {}) => {
  // The shortest pauses.
  vi.spyOn(Math, 'random').mockReturnValue(0);
  const heard: string[] = [];
  const who: Identity = {
    ...identity,
    mqttUrl: `mqtts://127.0.0.1:${port}`,
    fleetCa: pki.fleetCa,
    key: pki.device.key,
    certificate: pki.device.certificate,
    ...change,
  };
  let session = 0;
  const link = new MqttLink(
    who,
    async () => {
      session += 1;
      return session;
    },
    {
      onConnected: () => heard.push('connected'),
      onDoorbell: () => heard.push('doorbell'),
      onAck: ({ seq }: TelemetryAck) => heard.push(`ack ${seq}`),
    },
    log,
  );
  ends.push(() => link.stop());
  link.start();
  return { link, heard };
};

const presences = (gateway: TestGateway) =>
  gateway.published.filter(({ topic }) => topic === topics.presence).map(({ payload }) => JSON.parse(payload));

describe('the link to the gateway', () => {
  it('connects with its certificate, says that it is there, and hears what it is told', async () => {
    const { gateway, port } = await startGateway();
    const { link, heard } = startLink(port);
    expect(link.send(batch)).toBe(false);
    await expect.poll(() => heard).toEqual(['connected']);
    expect(gateway.connected).toEqual(['d-one']);
    await expect.poll(() => presences(gateway)).toMatchObject([{ online: true, session: 1 }]);
    gateway.publish(topics.doorbell, '{"reason":"assignment"}');
    gateway.publish(topics.ack, '{"epoch":1,"seq":7}');
    await expect.poll(() => heard.at(-1)).toBe('ack 7');
    expect(link.send(batch)).toBe(true);
    await expect
      .poll(() => gateway.published.at(-1))
      .toEqual({ topic: topics.telemetry, payload: JSON.stringify(batch) });
  });

  it('says that it is there when it has been quiet for long, and only then', async () => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval', 'performance'] });
    const { gateway, port } = await startGateway();
    const { link, heard } = startLink(port);
    await expect.poll(() => heard).toEqual(['connected']);
    await expect.poll(() => presences(gateway)).toHaveLength(1);
    // In steps, so that the connection is kept alive meanwhile.
    const pass = async (seconds: number) => {
      for (let passed = 0; passed < seconds; passed += 5) {
        vi.advanceTimersByTime(5_000);
        await pause(50);
      }
    };
    await pass(20);
    expect(link.send(batch)).toBe(true);
    await pass(20);
    await expect.poll(() => gateway.published.at(-1)?.topic).toBe(topics.telemetry);
    expect(presences(gateway)).toHaveLength(1);
    await pass(20);
    await expect.poll(() => presences(gateway)).toMatchObject([{ session: 1 }, { online: true, session: 1 }]);
  });

  it('passes over what is no message for it', async () => {
    const { gateway, port } = await startGateway();
    const { heard } = startLink(port);
    await expect.poll(() => heard).toEqual(['connected']);
    gateway.publish(topics.ack, 'not JSON');
    gateway.publish(topics.ack, '{"epoch":0,"seq":-1}');
    gateway.publish(deviceTopics('d-two').ack, '{"epoch":1,"seq":3}');
    gateway.publish(topics.ack, '{"epoch":1,"seq":8}');
    await expect.poll(() => heard).toEqual(['connected', 'ack 8']);
  });

  it('comes back with a new number, each time, and leaves no connection behind', async () => {
    const { gateway, port } = await startGateway();
    const { link, heard } = startLink(port);
    for (let time = 1; time <= 3; time += 1) {
      await expect.poll(() => heard.length, { timeout: 5_000 }).toBe(time);
      expect(gateway.connections).toBe(1);
      gateway.drop();
      await expect.poll(() => link.send(batch), { timeout: 5_000 }).toBe(false);
    }
    await expect.poll(() => heard.length, { timeout: 5_000 }).toBe(4);
    await expect.poll(() => presences(gateway).map(({ session }) => session)).toEqual([1, 2, 3, 4]);
  });

  it('comes back at once with renewed credentials, and shows these at each try from then on', async () => {
    const { gateway, port } = await startGateway();
    const { link, heard } = startLink(port);
    await expect.poll(() => heard).toEqual(['connected']);
    const before = gateway.certificates.at(-1);
    const renewed = { fleetCa: pki.fleetCa, ...(await pki.renewedDevice()) };
    // What comes now has not waited for this.
    const backoff = vi.spyOn(Backoff.prototype, 'next').mockReturnValue(LONG_MS);
    link.use(renewed);
    await expect.poll(() => heard.length, { timeout: 5_000 }).toBe(2);
    const after = gateway.certificates.at(-1);
    expect(after).not.toBe(before);
    expect(gateway.connections).toBe(1);
    expect(backoff).not.toHaveBeenCalled();
    // A gateway that dies: the way back is jittered, and with the same.
    backoff.mockReturnValue(100);
    gateway.drop();
    await expect.poll(() => heard.length, { timeout: 5_000 }).toBe(3);
    expect(gateway.certificates).toEqual([before, after, after]);
    expect(backoff).toHaveBeenCalledOnce();
  });

  it('takes renewed credentials while it waits for its next try, and does not wait any longer', async () => {
    const { gateway, port } = await startGateway();
    gateway.manner = 'refuses';
    vi.spyOn(Backoff.prototype, 'next').mockReturnValue(LONG_MS);
    const { link, heard } = startLink(port);
    await expect.poll(() => gateway.certificates.length, { timeout: 5_000 }).toBe(1);
    await expect.poll(() => gateway.connections).toBe(0);
    gateway.manner = 'accepts';
    link.use({ fleetCa: pki.fleetCa, ...(await pki.renewedDevice()) });
    await expect.poll(() => heard, { timeout: 5_000 }).toEqual(['connected']);
    expect(gateway.certificates.at(-1)).not.toBe(gateway.certificates[0]);
  });

  it('tries again when it is refused, or may not subscribe', async () => {
    const { gateway, port } = await startGateway();
    gateway.manner = 'refuses';
    const { heard } = startLink(port);
    await expect.poll(() => gateway.connected.length, { timeout: 5_000 }).toBe(2);
    gateway.manner = 'accepts no subscription';
    await expect.poll(() => gateway.connected.length, { timeout: 5_000 }).toBe(3);
    expect(heard).toEqual([]);
    gateway.manner = 'accepts';
    await expect.poll(() => heard, { timeout: 8_000 }).toEqual(['connected']);
  });

  it('says good-bye when it ends, and does not come back', async () => {
    const { gateway, port } = await startGateway();
    const { link, heard } = startLink(port);
    await expect.poll(() => heard).toEqual(['connected']);
    await link.stop();
    await expect.poll(() => gateway.connections).toBe(0);
    expect(presences(gateway).at(-1)).toMatchObject({ online: false, session: 1 });
    await new Promise((resolve) => setTimeout(resolve, 700));
    expect(gateway.connected).toHaveLength(1);
  });

  it('ends at once while it waits for an answer', async () => {
    const { gateway, port } = await startGateway();
    gateway.manner = 'is silent';
    const { link } = startLink(port);
    await expect.poll(() => gateway.connected.length).toBe(1);
    await link.stop();
    await expect.poll(() => gateway.connections).toBe(0);
  });

  it('does not speak to a gateway of another fleet', async () => {
    const { gateway, port } = await startGateway();
    const { heard } = startLink(port, { fleetCa: (await makePki('d-one')).fleetCa });
    await new Promise((resolve) => setTimeout(resolve, 700));
    expect(gateway.connected).toEqual([]);
    expect(heard).toEqual([]);
  });

  it.each([
    ['an address that is none', { mqttUrl: 'mqtts://[' }],
    ['a key that is none', { key: 'no key' }],
  ])('keeps the agent alive with %s', async (_, change) => {
    const { port } = await startGateway();
    const { link, heard } = startLink(port, change);
    await new Promise((resolve) => setTimeout(resolve, 700));
    // An unhandled rejection fails this run.
    expect(heard).toEqual([]);
    await link.stop();
  });
});
