import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { RunningSimulation } from '../support/simulated-fleet.ts';
import { TestFleet, until } from '../support/test-fleet.ts';

const DEVICES = 10;

describe('aviary sim', () => {
  let fleet: TestFleet;
  let simulation: RunningSimulation | undefined;

  beforeAll(async () => {
    fleet = await TestFleet.start();
    await fleet.push({ version: '1.0.0', manner: 'sure' });
  });
  afterAll(async () => {
    await simulation?.stop();
    await fleet?.stop();
  });

  const start = async (...args: string[]): Promise<RunningSimulation> => {
    const state = ['--state', join(fleet.directory, 'simulation'), '--labels', 'site=test'];
    simulation = new RunningSimulation(fleet, [
      ...[
        '--devices',
        `${DEVICES}`,
        '--join-rate',
        '50',
        '--profiles',
        'rpi5=50%,rpi4=50%',
        '--telemetry-seconds',
        '1',
      ],
      ...state,
      ...args,
    ]);
    await simulation.connected(DEVICES, 30);
    return simulation;
  };

  it('brings a release to devices that the control plane takes for real ones', async () => {
    const running = await start();
    const id = await fleet.rollOut('1.0.0', undefined, {
      strategy: { waves: [{ size: '100%', soak: '0s' }], probation: { seconds: 1, minFrames: 10 } },
    });
    expect((await fleet.ended(id)).state).toBe('FINISHED');
    const devices = await fleet.allRun('grey@1.0.0');
    expect(devices).toHaveLength(DEVICES);
    expect(new Set(devices.map(({ profile }) => profile))).toEqual(new Set(['rpi4', 'rpi5']));
    expect(devices.every(({ presence, facts }) => presence === 'online' && facts?.simulated === true)).toBe(true);
    await until('telemetry of all', 20, async () => {
      const [row] = await fleet.query<{ devices: string }>(
        'select count(distinct device_id) as devices from metrics_minute',
      );
      return row?.devices === `${DEVICES}` ? true : undefined;
    });
    const { code, summary } = await running.interrupt();
    expect(code).toBe(0);
    expect(summary).toMatchObject({ joined: DEVICES, converged: DEVICES, running: { 'grey@1.0.0': DEVICES } });
  });

  it('goes on with the same devices, which serve what they had', async () => {
    const before = (await fleet.devices()).map(({ id }) => id).sort();
    const running = await start();
    await until('all serving', 20, async () => (running.words.includes(`${DEVICES} serving`) ? true : undefined));
    const { summary } = await running.interrupt();
    expect(summary.running).toEqual({ 'grey@1.0.0': DEVICES });
    expect((await fleet.devices()).map(({ id }) => id).sort()).toEqual(before);
    expect(await fleet.holes()).toEqual([]);
  });
});
