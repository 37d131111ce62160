import type { Bench } from './harness.ts';
import { MeasuredFleet, type RolloutCost } from './sim/measured-fleet.ts';

const LARGE = Number(process.env.AVIARY_SIM_DEVICES ?? 5_000);
const SMALL = Math.ceil(LARGE / 10);
/** At this pace both fleets take the same time, in which devices also say that they are there. */
const PACE_MINUTES = 3;
const WINDOW_SECONDS = (PACE_MINUTES + 1) * 60;
/** So that a fleet of thousands fits into a laptop's memory. */
const MOST_MB = 0.6;

interface Measured {
  readonly cost: RolloutCost;
  readonly memoryMB: number;
}

const say = (line: string): void => void process.stderr.write(`${line}\n`);

/** As devices come at a pace at which the machine has time left. */
const measure = async (devices: number): Promise<Measured> => {
  const beganAt = performance.now();
  const fleet = await MeasuredFleet.start(devices);
  try {
    say(`${devices} devices joined in ${((performance.now() - beganAt) / 1000).toFixed(0)} s`);
    const rate = { perMinute: Math.ceil(devices / PACE_MINUTES) };
    const cost = await fleet.rollOut('1.0.0', { rate }, WINDOW_SECONDS);
    say(`${devices} devices: ${JSON.stringify(cost)}`);
    return { cost, memoryMB: fleet.memoryMB };
  } finally {
    await fleet.stop();
  }
};

const bench: Bench = {
  about: `whole rollouts to ${SMALL} and to ${LARGE} simulated devices, over the embedded broker, one of each; joining is not measured. Linux`,
  async run(report) {
    const small = await measure(SMALL);
    const large = await measure(LARGE);
    for (const [figure, part] of [
      ['CPU of the devices’ process', 'devicesMs'],
      ['CPU of the whole control plane with its database', 'controlPlaneMs'],
    ] as const) {
      report({
        figure: `${figure}, for each of ${LARGE} devices in ${WINDOW_SECONDS / 60} minutes with a rollout`,
        value: large.cost[part],
        unit: 'ms',
        versus: `each of ${SMALL} (${small.cost[part].toFixed(1)} ms)`,
        ratio: large.cost[part] / small.cost[part],
        goal: { at: 'most', ratio: 1.1 },
      });
    }
    report({
      figure: `memory of the process with ${LARGE} devices, for each after a rollout`,
      value: large.memoryMB / LARGE,
      unit: 'MB',
      versus: `${MOST_MB} MB`,
      ratio: large.memoryMB / LARGE / MOST_MB,
      goal: { at: 'most', ratio: 1 },
    });
  },
};
export default bench;
