import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { expectRolloutSurvives } from '../support/killed.ts';
import { TestFleet, until } from '../support/test-fleet.ts';

const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
};

const pause = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds));

describe('killed in the middle', () => {
  let fleet: TestFleet;
  const names = ['one', 'two', 'three', 'four'];

  beforeAll(async () => {
    fleet = await TestFleet.start();
    await Promise.all(names.map((name, index) => fleet.addDevice(name, index % 2 === 0 ? 'rpi4' : 'rpi5')));
    await fleet.push({ version: '1.0.0', manner: 'sure' });
    const first = await fleet.ended(await fleet.rollOut('1.0.0'));
    expect(first.state).toBe('FINISHED');
    await fleet.push({ version: '1.1.0', manner: 'sure' });
  });
  afterAll(() => fleet.stop());

  it('api, gateway, conductor and an agent, once each during a rollout: it ends as it should', async () => {
    await expectRolloutSurvives(fleet, '1.1.0', async () => {
      for (const role of ['gateway', 'conductor', 'api'] as const) {
        process.kill(await fleet.pidOf(role), 'SIGKILL');
        await pause(1_200);
      }
    });
  });

  it('leaves no worker behind when an agent is killed', async () => {
    const agent = fleet.agents.get('one');
    const pid = agent?.pid ?? 0;
    const children = (await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8')).trim().split(' ').map(Number);
    expect(children.length).toBeGreaterThanOrEqual(2);
    process.kill(pid, 'SIGKILL');
    await until('the end of its worker and capture', 10, async () => (children.some(isAlive) ? undefined : true));
    fleet.startAgent('one');
    await fleet.allRun('grey@1.1.0');
  });

  it('comes back by itself after everything was killed, also with the database left running', async () => {
    const launcher = fleet.controlPlane.pid;
    const postmaster = Number((await readFile(join(fleet.data, 'postgres', 'postmaster.pid'), 'utf8')).split('\n')[0]);
    const roles = await Promise.all((['api', 'gateway', 'conductor'] as const).map((role) => fleet.pidOf(role)));
    for (const pid of [launcher, ...roles]) process.kill(pid, 'SIGKILL');
    await until('the end of the roles', 10, async () => ([launcher, ...roles].some(isAlive) ? undefined : true));
    expect(isAlive(postmaster)).toBe(true);
    await fleet.startControlPlane();
    expect((await fleet.devices()).length).toBe(names.length);

    const again = Number((await readFile(join(fleet.data, 'postgres', 'postmaster.pid'), 'utf8')).split('\n')[0]);
    expect(again).not.toBe(postmaster);
    const all = [
      fleet.controlPlane.pid,
      again,
      ...(await Promise.all((['api', 'gateway', 'conductor'] as const).map((role) => fleet.pidOf(role)))),
    ];
    for (const pid of all) process.kill(pid, 'SIGKILL');
    await until('the end of everything', 10, async () => (all.some(isAlive) ? undefined : true));
    await fleet.startControlPlane();
    await until('every device online again', 60, async () => {
      const { items } = await fleet.client.listDevices({ query: { selector: 'presence=online' } });
      return items.length === names.length ? true : undefined;
    });
    await pause(2_500);
    expect(await fleet.holes()).toEqual([]);
  });
});
