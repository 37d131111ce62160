import { setTimeout as pause } from 'node:timers/promises';
import type { RolloutDetail, SimulationPlan } from '@aviary/protocol';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Character, characterOf } from '../../apps/agent/src/simulation/character.ts';
import { profilesOf, USUAL_PROFILES } from '../../apps/cli/src/simulation/plan-flags.ts';
import { ExecutionWatch } from '../support/execution-watch.ts';
import { RoleKiller } from '../support/killed.ts';
import { inAnyState, RunningSimulation } from '../support/simulated-fleet.ts';
import { TestFleet, until } from '../support/test-fleet.ts';
import { toldAtRate } from '../support/told-rate.ts';

const DEVICES = Number(process.env.AVIARY_SIM_DEVICES ?? 5_000);
const JOINS_PER_SECOND = 40;
const FAILING = 0.03;
const SILENT = 0.02;
const REGRESSION = 0.3;
const TELEMETRY_SECONDS = 30;
/** All of them in some four minutes. */
const PER_MINUTE = Math.ceil(DEVICES / 4);
/** What a silent device has; the others are done long before. */
const DEADLINE_SECONDS = 180;
/** A look of the conductor, the death of one, and a machine that has much to do. */
const TOLD_LATE_SECONDS = 20;
/** A device takes some seconds, and the rate lets so many come in that time; transactions begin before they end. */
const TOLD_EARLY_SECONDS = 3;
const KILLS = 5;
const LONG_MS = 3_600_000;

const PLAN: SimulationPlan = {
  devices: DEVICES,
  seed: 1,
  profiles: profilesOf(USUAL_PROFILES),
  labels: { site: ['test'] },
  failing: [{ release: null, share: FAILING }],
  silent: [{ release: null, share: SILENT }],
  slow: 0,
  drifting: 0,
  regressions: [{ release: 'grey@1.1.0', increase: REGRESSION }],
  telemetrySeconds: TELEMETRY_SECONDS,
  joinsPerSecond: JOINS_PER_SECOND,
  stateDirectory: null,
};
const ARGS = [
  ...['--devices', `${DEVICES}`, '--seed', `${PLAN.seed}`, '--labels', 'site=test'],
  ...['--failing', `${FAILING}`, '--silent', `${SILENT}`, '--regression', `grey@1.1.0=${REGRESSION}`],
  ...['--telemetry-seconds', `${TELEMETRY_SECONDS}`, '--join-rate', `${JOINS_PER_SECOND}`],
];

const STRATEGY = {
  rate: { perMinute: PER_MINUTE },
  deadline: `${DEADLINE_SECONDS}s`,
  probation: { seconds: 3, minFrames: 20, maxP95Ratio: 5 },
};
/** Failing and silent ones are 5 of 100; of a small wave chance may make it more. Those that fail are the first to end. */
const EXECUTION_GATE = { execution: { maxFailureRate: '10%', minimum: 20 } };

interface ExecutionRow {
  readonly device: string;
  readonly running: string | null;
  readonly presence: string;
  readonly kind: 'install' | 'rollback';
  readonly state: string;
  readonly wave: number | null;
  /** Seconds since 1970. */
  readonly told: number;
  readonly ended: number;
}

/** How an install ends on a device like this. */
const endOf = (character: Character, release: string): string => {
  if (character.silence(release) !== undefined) return 'TIMED_OUT';
  return character.failure(release) === undefined ? 'SUCCEEDED' : 'FAILED';
};

/** How many there are of each. */
const tally = (values: readonly string[]): Record<string, number> => {
  const counts: Record<string, number> = {};
  for (const value of values) counts[value] = (counts[value] ?? 0) + 1;
  return counts;
};

/** Why a rollout has come to where it is. */
const whyOf = (rollout: RolloutDetail): string =>
  rollout.waves
    .flatMap(({ index, state, counts, gates }) => [
      `wave ${index + 1} ${state} ${JSON.stringify(counts)}`,
      ...gates.map(({ words }) => words),
    ])
    .join('; ');

const say = (line: string): void => void process.stdout.write(`${line}\n`);

describe(`a fleet of ${DEVICES} simulated devices, with Mosquitto, two gateways and two conductors`, () => {
  const characters = new Map(
    Array.from({ length: DEVICES }, (_, number) => characterOf(PLAN, number)).map((one) => [one.name, one]),
  );
  const characterNamed = (name: string): Character => {
    const character = characters.get(name);
    if (character === undefined) throw new Error(`expected a device of the simulation, got ${name}`);
    return character;
  };
  let fleet: TestFleet;
  let simulation: RunningSimulation;
  let watch: ExecutionWatch;

  beforeAll(async () => {
    fleet = await TestFleet.startWithMosquitto();
    await fleet.startConductor();
    await fleet.push({ version: '1.0.0', manner: 'sure' });
    watch = await ExecutionWatch.start(await fleet.databaseUrl());
    const beganAt = performance.now();
    simulation = new RunningSimulation(fleet, ARGS);
    await simulation.connected(DEVICES, 60 + DEVICES / 4);
    const seconds = (performance.now() - beganAt) / 1000;
    say(`${DEVICES} devices joined in ${seconds.toFixed(0)} s; ${simulation.line}`);
  }, LONG_MS);
  afterAll(async () => {
    await simulation?.stop();
    await watch?.stop();
    await fleet?.stop();
  });

  const executionsOf = (id: string): Promise<ExecutionRow[]> =>
    fleet.query<ExecutionRow>(`
      select d.name as device, d.running_release as running, d.presence, e.kind, e.state, e.wave_index as wave,
        extract(epoch from e.deadline_at)::float8 - ${DEADLINE_SECONDS} as told,
        extract(epoch from e.ended_at)::float8 as ended
      from execution e join device d on d.id = e.device_id where e.rollout_id = '${id}'`);

  /** By the API, page after page. */
  const runningByApi = async (): Promise<Record<string, number>> => {
    const running: string[] = [];
    for (let cursor: string | null | undefined; cursor !== null; ) {
      const page = await fleet.client.listDevices({
        query: { limit: 500, ...(cursor === undefined ? {} : { cursor }) },
      });
      running.push(...page.items.flatMap((device) => (device.running === null ? [] : [device.running.release])));
      cursor = page.nextCursor;
    }
    return tally(running);
  };

  /** That devices were told as fast as the rate allows, and no faster, whoever was silent meanwhile. */
  const expectRate = (rollout: RolloutDetail, rows: readonly ExecutionRow[]): void => {
    for (const { index, startedAt } of rollout.waves) {
      const told = rows.filter((row) => row.kind === 'install' && row.wave === index).map((row) => row.told);
      if (startedAt === null || told.length === 0) continue;
      const { tooMany, lateSeconds } = toldAtRate(told, startedAt / 1000, PER_MINUTE);
      say(`wave ${index + 1}: ${told.length} devices told, ${lateSeconds.toFixed(1)} s late at most`);
      expect(tooMany).toBeLessThanOrEqual((TOLD_EARLY_SECONDS * PER_MINUTE) / 60);
      expect(lateSeconds).toBeLessThan(TOLD_LATE_SECONDS);
    }
  };

  it(
    'takes a release in waves while gateways and conductors are killed, and each device ends as its character has it',
    async () => {
      const killer = new RoleKiller(fleet);
      const id = await fleet.rollOut('1.0.0', undefined, {
        strategy: {
          ...STRATEGY,
          waves: [
            { size: '20%', soak: '2s' },
            { size: '100%', soak: '2s' },
          ],
        },
        gates: [EXECUTION_GATE],
      });
      for (let turn = 0; turn < KILLS; turn += 1) {
        await pause(25_000);
        await killer.kill('gateway');
        await pause(15_000);
        await killer.kill('conductor');
      }
      expect((await fleet.client.showRollout({ params: { id } })).state).toBe('RUNNING');
      const rollout = await fleet.ended(id, 4 * DEADLINE_SECONDS + 600);
      expect(rollout.state, whyOf(rollout)).toBe('FINISHED');
      expect(rollout.waves.map(({ state }) => state)).toEqual(['PASSED', 'PASSED']);

      const rows = await executionsOf(id);
      expect(rows).toHaveLength(DEVICES);
      const wrong = rows.filter(({ device, state }) => state !== endOf(characterNamed(device), 'grey@1.0.0'));
      expect(wrong).toEqual([]);
      const counts = tally(rows.map(({ state }) => state));
      const byApi = rollout.waves.flatMap((wave) => Object.entries(wave.counts));
      for (const [state, count] of Object.entries(counts)) {
        expect(byApi.filter(([name]) => name === state).reduce((sum, [, n]) => sum + n, 0)).toBe(count);
      }
      for (const { device, running, presence } of rows) {
        const silence = characterNamed(device).silence('grey@1.0.0');
        const succeeds = endOf(characterNamed(device), 'grey@1.0.0') === 'SUCCEEDED';
        expect([device, running]).toEqual([device, succeeds ? 'grey@1.0.0' : null]);
        expect([device, presence]).toEqual([device, silence === 'vanishes' ? 'offline' : 'online']);
      }
      expect(await runningByApi()).toEqual({ 'grey@1.0.0': counts.SUCCEEDED });
      await until('the simulation seeing the end', 60, async () =>
        simulation.line?.includes(` ${counts.SUCCEEDED} converged`) === true ? true : undefined,
      );
      expectRate(rollout, rows);
      expect([...watch.found]).toEqual([]);

      const began = Math.min(...rows.map(({ told }) => told));
      const converged = rows.filter(({ state }) => state === 'SUCCEEDED').map(({ ended }) => ended);
      const seconds = Math.max(...converged) - began;
      say(
        `1.0.0: ${JSON.stringify(counts)}; ${(converged.length / seconds).toFixed(1)} devices converged a second ` +
          `(the rate lets ${(PER_MINUTE / 60).toFixed(1)} begin); ${simulation.line}`,
      );
    },
    LONG_MS,
  );

  it(
    'is spared a release that is slower: the comparison with the control group stops it, and all who had it go back',
    async () => {
      await fleet.push({ version: '1.1.0', manner: 'sure' });
      const id = await fleet.rollOut('1.1.0', undefined, {
        strategy: {
          ...STRATEGY,
          control: '20%',
          compareOver: '1m',
          waves: [{ size: '20%', minimum: 40, soak: '6m' }, { size: '100%' }],
        },
        gates: [EXECUTION_GATE, { latencyP95: { versus: 'control', margin: '15%' } }],
      });
      const rollout = await fleet.ended(id, 4 * DEADLINE_SECONDS + 1_200);
      expect(rollout.state, whyOf(rollout)).toBe('ROLLED_BACK');
      expect(rollout.waves.map(({ state }) => state)).toEqual(['FAILED', 'SCHEDULED']);
      const compared = rollout.waves[0]?.gates.find(({ gate }) => gate === 'latencyP95 versus control');
      expect(compared?.verdict, whyOf(rollout)).toBe('fail');
      say(`1.1.0: ${compared?.words}`);

      const rows = await executionsOf(id);
      const installs = rows.filter(({ kind }) => kind === 'install');
      const wrong = installs.filter(({ device, state }) => state !== endOf(characterNamed(device), 'grey@1.1.0'));
      expect(wrong).toEqual([]);
      const had = installs.filter(({ state }) => state === 'SUCCEEDED');
      const back = rows.filter(({ kind }) => kind === 'rollback');
      expect(back.map(({ device }) => device).sort()).toEqual(had.map(({ device }) => device).sort());
      expect(tally(back.map(({ state }) => state))).toEqual({ SUCCEEDED: had.length });
      expect(rollout.rollback?.counts).toEqual({ SUCCEEDED: had.length });
      expect(tally(back.map(({ running }) => String(running)))).toEqual({ 'grey@1.0.0': had.length });
      expectRate(rollout, rows);

      const proven = [...characters.values()].filter((one) => endOf(one, 'grey@1.0.0') === 'SUCCEEDED').length;
      const silent = [...characters.values()].filter((one) => one.silence('grey@1.0.0') !== undefined).length;
      expect(await runningByApi()).toEqual({ 'grey@1.0.0': proven });
      expect([...watch.found]).toEqual([]);
      expect(await fleet.holes()).toEqual([]);
      say(`looked ${watch.looks} times for what must not be`);

      const { code, summary } = await simulation.interrupt();
      expect(code).toBe(0);
      expect(inAnyState(summary)).toBe(DEVICES);
      expect(summary.running).toEqual({ 'grey@1.0.0': proven });
      expect(summary.converged).toBe(proven);
      expect(summary.states.silent).toBe(silent);
      say(
        `${summary.cpuMsPerDevice} ms of CPU a device in ${summary.seconds} s with joining, telemetry and two rollouts; ` +
          `${(summary.memoryMB / DEVICES).toFixed(2)} MB a device at the end`,
      );
    },
    LONG_MS,
  );
});
