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
  /** As devices come at a pace at which the machine has time left. */
  readonly paced: RolloutCost;
  /** All at once. */
  readonly rushed: RolloutCost;
  readonly memoryMB: number;
}

const say = (line: string): void => void process.stderr.write(`${line}\n`);

const measure = async (devices: number): Promise<Measured> => {
  const beganAt = performance.now();
  const fleet = await MeasuredFleet.start(devices);
  try {
    say(`${devices} devices joined in ${((performance.now() - beganAt) / 1000).toFixed(0)} s`);
    const rate = { perMinute: Math.ceil(devices / PACE_MINUTES) };
    const paced = await fleet.rollOut('1.0.0', { rate }, WINDOW_SECONDS);
    say(`${devices} devices, paced: ${JSON.stringify(paced)}`);
    const rushed = await fleet.rollOut('1.1.0', {});
    say(`${devices} devices, at once: ${JSON.stringify(rushed)}`);
    return { paced, rushed, memoryMB: fleet.memoryMB };
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
        value: large.paced[part],
        unit: 'ms',
        versus: `each of ${SMALL} (${small.paced[part].toFixed(1)} ms)`,
        ratio: large.paced[part] / small.paced[part],
        goal: { at: 'most', ratio: 1.1 },
      });
    }
    const speed = { large: LARGE / large.rushed.seconds, small: SMALL / small.rushed.seconds };
    report({
      figure: `${LARGE} devices that converge on a release for all at once`,
      value: speed.large,
      unit: 'devices/s',
      versus: `${SMALL} (${speed.small.toFixed(1)} devices/s)`,
      ratio: speed.large / speed.small,
      goal: { at: 'least', ratio: 0.9 },
    });
    report({
      figure: `memory of the process with ${LARGE} devices, for each after two rollouts`,
      value: large.memoryMB / LARGE,
      unit: 'MB',
      versus: `${MOST_MB} MB`,
      ratio: large.memoryMB / LARGE / MOST_MB,
      goal: { at: 'most', ratio: 1 },
    });
  },
};
export default bench;
