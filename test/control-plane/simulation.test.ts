import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { SimulationPlan } from '@aviary/protocol';
import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { SimulatedFleet } from '../../apps/agent/src/simulation/simulated-fleet.ts';
import { until } from '../support/test-fleet.ts';
import { TestPlane } from '../support/test-plane.ts';

const DEVICES = 10;

describe('simulated devices', () => {
  let plane: TestPlane;
  let folder: string;
  let plan: SimulationPlan;

  beforeAll(async () => {
    plane = await TestPlane.start();
    folder = await mkdtemp(join(tmpdir(), 'aviary-simulation-'));
    plan = {
      devices: DEVICES,
      seed: 3,
      profiles: { rpi4: 0.5, rpi5: 0.5 },
      labels: { site: ['lyon', 'turin'] },
      failing: [],
      silent: [],
      slow: 0,
      drifting: 0,
      regressions: [],
      telemetrySeconds: 1,
      joinsPerSecond: 100,
      stateDirectory: folder,
    };
  });
  afterAll(async () => {
    await plane?.stop();
    await rm(folder, { recursive: true, force: true });
  });

  /** Runs the fleet until all are connected, and looks at them. */
  const run = async <T>(change: Partial<SimulationPlan>, look: () => Promise<T>) => {
    const invited: number[] = [];
    const troubles: string[] = [];
    const fleet = new SimulatedFleet(
      { ...plan, ...change },
      {
        invite: async (device, labels) => {
          invited.push(device);
          const { secret } = await plane.services.joinTokens.create({ labels: { ...labels }, ttlSeconds: 60 });
          return { url: plane.deviceUrl, caFingerprint: plane.services.ca.fingerprint, secret };
        },
        onTrouble: (words) => void troubles.push(words),
      },
      pino({ level: 'silent' }),
    );
    await fleet.start();
    try {
      await until('all connected', 30, async () => (fleet.counts.connected === DEVICES ? true : undefined));
      return { seen: await look(), invited, troubles, counts: fleet.counts };
    } finally {
      await fleet.stop();
    }
  };

  const rows = () =>
    plane.database.query<{ id: string; name: string; profile: string; site: string; online: boolean }>(
      `select id, name, profile, labels->>'site' as site, presence = 'online' as online from device order by name`,
    );
  const online = (count: number) =>
    until(`${count} online`, 20, async () => {
      const found = await rows();
      return found.filter((row) => row.online).length === count ? found : undefined;
    });

  it('join, each with a token of its own, and are what their character says', async () => {
    const { seen, invited, troubles, counts } = await run({}, () => online(DEVICES));
    expect(troubles).toEqual([]);
    expect(invited.sort((a, b) => a - b)).toEqual(Array.from({ length: DEVICES }, (_, device) => device));
    expect(counts).toMatchObject({ joined: DEVICES, converged: 0, states: { idle: DEVICES } });
    expect(new Set(seen.map(({ profile }) => profile))).toEqual(new Set(['rpi4', 'rpi5']));
    expect(new Set(seen.map(({ site }) => site))).toEqual(new Set(['lyon', 'turin']));
    // They have said good-bye.
    await online(0);
  });

  it('come back as who they were, without a token', async () => {
    const before = (await rows()).map(({ id }) => id);
    const { seen, invited } = await run({}, () => online(DEVICES));
    expect(invited).toEqual([]);
    expect(seen.map(({ id }) => id)).toEqual(before);
  });

  it('are not taken for others: another seed is refused', async () => {
    await expect(run({ seed: 4 }, rows)).rejects.toMatchObject({
      code: 'simulation-state-refused',
      message: expect.stringContaining('it was made with other seed: 3, not 4'),
    });
  });
});
