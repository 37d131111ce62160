import { afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { type KeyPair, makePki, type TestPki } from '../../apps/agent/src/testing/fleet-pki.ts';
import { identity, type SealedRelease, sealRelease } from '../../apps/agent/src/testing/sealed-release.ts';
import { supervisedDevices } from '../../apps/agent/src/testing/supervised-device.ts';
import { TestGateway } from '../../apps/agent/src/testing/test-gateway.ts';

const DAY_MS = 86_400_000;
const { prepare, start, pki, onEnd } = supervisedDevices();
let release: SealedRelease;
let otherFleet: TestPki;
beforeAll(async () => {
  release = await sealRelease('a@1.0.0');
  otherFleet = await makePki(identity.deviceId);
});

describe('broker impersonation', () => {
  afterEach(() => {
    vi.useRealTimers();
  });

  const IMPOSTORS: [string, () => Promise<KeyPair>][] = [
    ['of another fleet', async () => otherFleet.server],
    ['that vouches for itself', () => pki().selfSigned()],
    ['that is another device of this fleet', async () => pki().device],
  ];

  /** Starts an agent whose gateway is somebody else. @returns how often it was come to, and what it was told */
  const impostor = async (shown: KeyPair) => {
    const gateway = new TestGateway();
    // It would take anybody's certificate, only to be spoken to.
    const port = await gateway.start([pki().fleetCa, otherFleet.fleetCa].join('\n'), shown);
    onEnd(() => gateway.stop());
    const { options } = await prepare(release, { telemetrySeconds: 0.2 });
    await start(options, { mqttUrl: `mqtts://127.0.0.1:${port}` });
    await expect.poll(() => gateway.handshakes, { message: 'it was come to' }).toBeGreaterThanOrEqual(2);
    return gateway;
  };

  it.each(IMPOSTORS)('by a server %s is told nothing', async (_, shown) => {
    const gateway = await impostor(await shown());
    expect(gateway.connected).toEqual([]);
    expect(gateway.published).toEqual([]);
  });

  it.each(IMPOSTORS)('by a server %s is told nothing either where the clock stands at 1970', async (_, shown) => {
    vi.useFakeTimers({ toFake: ['Date'], now: DAY_MS });
    const gateway = await impostor(await shown());
    expect(gateway.connected).toEqual([]);
    expect(gateway.published).toEqual([]);
  });
});
