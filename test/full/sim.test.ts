import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { inAnyState, RunningSimulation } from '../support/simulated-fleet.ts';
import { TestFleet, until } from '../support/test-fleet.ts';

const DEVICES = Number(process.env.AVIARY_SIM_DEVICES ?? 200);
const JOINS_PER_SECOND = 40;
const LONG_MS = 900_000;
const FAILING = 0.03;
const SILENT = 0.02;
/** What a silent device has; the others are done long before. */
const DEADLINE_SECONDS = 40 + Math.ceil(DEVICES / 10);

interface ExecutionRow {
  readonly device: string;
  readonly state: string;
  readonly wave: number;
  readonly seconds: number;
}

/** Four standard deviations of a share that is drawn for each device. */
const around = (share: number) => {
  const spread = 4 * Math.sqrt(DEVICES * share * (1 - share));
  return { least: DEVICES * share - spread, most: DEVICES * share + spread };
};

describe(`a fleet of ${DEVICES} simulated devices`, () => {
  let fleet: TestFleet;
  let simulation: RunningSimulation | undefined;

  beforeAll(async () => {
    fleet = await TestFleet.start();
    await fleet.push({ version: '1.0.0', manner: 'sure' });
  }, LONG_MS);
  afterAll(async () => {
    await simulation?.stop();
    await fleet?.stop();
  });

  it(
    'goes through a whole rollout, and each device ends as its character has it',
    async () => {
      simulation = new RunningSimulation(fleet, [
        ...['--devices', `${DEVICES}`, '--join-rate', `${JOINS_PER_SECOND}`, '--labels', 'site=test'],
        ...['--failing', `${FAILING}`, '--silent', `${SILENT}`],
      ]);
      await simulation.connected(DEVICES, 60 + DEVICES / 4);
      const id = await fleet.rollOut('1.0.0', undefined, {
        gates: [],
        strategy: {
          waves: [
            { size: '20%', soak: '0s' },
            { size: '100%', soak: '0s' },
          ],
          deadline: `${DEADLINE_SECONDS}s`,
          probation: { seconds: 3, minFrames: 20 },
        },
      });
      const rollout = await fleet.ended(id, 2 * DEADLINE_SECONDS + 60);
      expect(rollout.state).toBe('FINISHED');

      const rows = await fleet.query<ExecutionRow>(`
        select device_id as device, state, wave_index as wave, extract(epoch from ended_at - created_at)::float8 as seconds
        from execution where rollout_id = '${id}'`);
      // Every device once, in one wave and one state, and that one is an end.
      expect(rows).toHaveLength(DEVICES);
      expect(new Set(rows.map(({ device }) => device)).size).toBe(DEVICES);
      expect(new Set(rows.map(({ wave }) => wave))).toEqual(new Set([0, 1]));
      const count = (state: string) => rows.filter((row) => row.state === state).length;
      expect(count('SUCCEEDED') + count('FAILED') + count('TIMED_OUT')).toBe(DEVICES);
      const [failing, silent] = [around(FAILING), around(SILENT)];
      expect(count('FAILED')).toBeGreaterThanOrEqual(failing.least);
      expect(count('FAILED')).toBeLessThanOrEqual(failing.most);
      expect(count('TIMED_OUT')).toBeGreaterThanOrEqual(silent.least);
      expect(count('TIMED_OUT')).toBeLessThanOrEqual(silent.most);

      await until('the simulation seeing the end', 20, async () =>
        simulation?.words.includes(`${count('SUCCEEDED')} converged`) === true ? true : undefined,
      );
      const { code, summary } = await simulation.interrupt();
      simulation = undefined;
      expect(code).toBe(0);
      expect(inAnyState(summary)).toBe(DEVICES);
      expect(summary.running).toEqual({ 'grey@1.0.0': count('SUCCEEDED') });
      expect(summary.states.silent).toBe(count('TIMED_OUT'));
      const converged = rows.filter(({ state }) => state === 'SUCCEEDED');
      const longest = Math.max(...converged.map(({ seconds }) => seconds));
      process.stdout.write(
        `${DEVICES} devices: ${summary.cpuMsPerDevice} ms of CPU and ${(summary.memoryMB / DEVICES).toFixed(2)} MB each; ` +
          `the slowest that succeeded took ${longest.toFixed(1)} s\n`,
      );
    },
    LONG_MS,
  );
});
