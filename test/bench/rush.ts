import type { Bench } from './harness.ts';
import { MeasuredFleet } from './sim/measured-fleet.ts';

const LARGE = Number(process.env.AVIARY_SIM_DEVICES ?? 5_000);
const SMALL = Math.ceil(LARGE / 10);

const say = (line: string): void => void process.stderr.write(`${line}\n`);

/** Devices that converge in a second when all may begin at once. */
const speedOf = async (devices: number): Promise<number> => {
  const fleet = await MeasuredFleet.start(devices);
  try {
    const cost = await fleet.rollOut('1.0.0', {});
    say(`${devices} devices: ${JSON.stringify(cost)}`);
    return devices / cost.seconds;
  } finally {
    await fleet.stop();
  }
};

const bench: Bench = {
  about: `a release for ${SMALL} and for ${LARGE} simulated devices all at once, without a rate, over the embedded broker. Linux`,
  async run(report) {
    const small = await speedOf(SMALL);
    const large = await speedOf(LARGE);
    report({
      figure: `${LARGE} devices that converge on a release for all at once`,
      value: large,
      unit: 'devices/s',
      versus: `${SMALL} (${small.toFixed(1)} devices/s)`,
      ratio: large / small,
      goal: { at: 'least', ratio: 0.9 },
    });
  },
};
export default bench;
