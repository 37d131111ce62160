import { setTimeout as pause } from 'node:timers/promises';
import { expect } from 'vitest';
import { type TestFleet, until } from './test-fleet.ts';

/**
 * Rolls `grey@version` out to the four devices of a fleet while something is killed, and then an agent: it ends as it
 * should, and nothing that was said is lost or counted twice.
 */
export const expectRolloutSurvives = async (
  fleet: TestFleet,
  version: string,
  kill: () => Promise<void>,
): Promise<void> => {
  const id = await fleet.rollOut(version, [
    { size: 1, soak: '1s' },
    { size: '50%', soak: '1s' },
    { size: '100%', soak: '1s' },
  ]);
  const blind: string[] = [];
  let watching = true;
  // Looked at from outside: the agents' own reports stop while the gateway is away, their workers must not.
  const watch = (async () => {
    while (watching) {
      const devices = await fleet.devices().catch(() => []);
      for (const { name, running } of devices) if (running === null) blind.push(name);
      await pause(200);
    }
  })();
  await kill();
  const agent = fleet.agents.get('three');
  process.kill(agent?.pid ?? 0, 'SIGKILL');
  await pause(500);
  fleet.startAgent('three');

  const rollout = await fleet.ended(id, 90);
  watching = false;
  await watch;
  expect(rollout.state).toBe('FINISHED');
  expect(rollout.waves.map(({ state }) => state)).toEqual(['PASSED', 'PASSED', 'PASSED']);
  const counts = rollout.waves.map((wave) => wave.counts.SUCCEEDED);
  expect(counts).toEqual([1, 1, 2]);
  await fleet.allRun(`grey@${version}`);
  // The killed agent's device may say that nothing serves while it starts again; the others never may.
  expect(blind.filter((name) => name !== 'three')).toEqual([]);
  expect(await fleet.holes()).toEqual([]);
};

/** Kills one of two processes of a role and has it started again; the next time the other one. */
export class RoleKiller {
  readonly #fleet: TestFleet;
  readonly #turns = { gateway: 0, conductor: 0 };

  constructor(fleet: TestFleet) {
    this.#fleet = fleet;
  }

  /** Resolves when there is a process again in its place. */
  async kill(role: 'gateway' | 'conductor'): Promise<void> {
    const fleet = this.#fleet;
    const turn = this.#turns[role];
    this.#turns[role] += 1;
    if (turn % 2 === 0) {
      const before = await fleet.pidOf(role);
      process.kill(before, 'SIGKILL');
      await until(`the launcher starting ${role} again`, 30, async () =>
        (await fleet.pidOf(role)) === before ? undefined : true,
      );
      return;
    }
    const others = role === 'gateway' ? fleet.gateways : fleet.conductors;
    process.kill(others.at(-1)?.pid ?? 0, 'SIGKILL');
    if (role === 'gateway') await fleet.startGateway();
    else await fleet.startConductor();
  }
}
