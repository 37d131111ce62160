import type { SimulationPlan } from '@aviary/protocol';
import { describe, expect, it } from 'vitest';
import type { WorkerHandle } from '../inference/worker-handle.ts';
import { seededRandom } from '../seeded-random.ts';
import { characterOf } from './character.ts';
import { SimulatedServing } from './simulated-serving.ts';

const DEVICES = 500;
const plan: SimulationPlan = {
  devices: DEVICES,
  seed: 1,
  profiles: { rpi4: 1 },
  labels: {},
  failing: [],
  silent: [],
  slow: 0,
  drifting: 0,
  regressions: [{ release: 'grey@1.1.0', increase: 0.3 }],
  telemetrySeconds: 10,
  joinsPerSecond: 20,
  stateDirectory: null,
};

const workerOf = (release: string) => ({ release }) as WorkerHandle;

/** A device's serving, with a clock that a test sets. */
const start = (device: number, change: Partial<SimulationPlan> = {}) => {
  const clock = { ms: 0 };
  const character = characterOf({ ...plan, ...change }, device);
  const serving = new SimulatedServing(character, seededRandom(`windows ${device}`), () => clock.ms);
  const window = (seconds = 10) => {
    clock.ms += seconds * 1000;
    return serving.take();
  };
  return { serving, clock, window };
};

const meanOf = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;
const deviationOf = (values: readonly number[]): number =>
  Math.sqrt(meanOf(values.map((value) => (value - meanOf(values)) ** 2)));

describe('simulated frames', () => {
  it('come at a steady rate while a release serves, and not without one', async () => {
    const { serving, window } = start(0);
    expect(window()).toMatchObject({ frames: 0, errors: 0, latencyMs: { p95: 0 } });
    await serving.switchTo(workerOf('grey@1.0.0'));
    expect(window()).toMatchObject({ frames: 100, errors: 0 });
    expect(window(0.35).frames).toBe(3);
  });

  it('have a p95 that is 30 % higher on the release with that regression, with noise of 0.1 between windows', async () => {
    const changes: number[] = [];
    for (let device = 0; device < DEVICES; device += 1) {
      const { serving, window } = start(device);
      await serving.switchTo(workerOf('grey@1.0.0'));
      const before = window().latencyMs.p95;
      await serving.switchTo(workerOf('grey@1.1.0'));
      changes.push(Math.log(window().latencyMs.p95 / before));
    }
    // Two windows, each with its own noise.
    const deviation = 0.1 * Math.SQRT2;
    expect(Math.abs(meanOf(changes) - Math.log(1.3))).toBeLessThan((4 * deviation) / Math.sqrt(DEVICES));
    expect(deviationOf(changes) / deviation).toBeGreaterThan(0.87);
    expect(deviationOf(changes) / deviation).toBeLessThan(1.13);
  });

  it('differ by as much between devices', async () => {
    const devices = Array.from({ length: DEVICES }, (_, device) => Math.log(characterOf(plan, device).p95Ms));
    expect(deviationOf(devices)).toBeGreaterThan(0.087);
    expect(deviationOf(devices)).toBeLessThan(0.113);
  });

  it('get no answer on a device where the release fails on probation', async () => {
    const failing = { failing: [{ release: 'grey@1.0.0', share: 1 }] };
    const device = Array.from({ length: 50 }, (_, index) => index).find(
      (index) => characterOf({ ...plan, ...failing }, index).failure('grey@1.0.0') === 'probation',
    );
    const { serving, clock } = start(device ?? -1, failing);
    await serving.switchTo(workerOf('grey@1.0.0'));
    serving.mark();
    clock.ms += 10_000;
    expect(serving.observe()).toMatchObject({ frames: 50, errors: 50 });
  });

  it('get unsure with time on a device that drifts', async () => {
    const { serving, window } = start(0, { drifting: 1 });
    await serving.switchTo(workerOf('grey@1.0.0'));
    const early = window(10);
    window(600);
    const late = window(10);
    expect(late.lowConfidence / late.frames - early.lowConfidence / early.frames).toBeCloseTo(0.25, 1);
  });

  it('are counted from the mark for probation, whatever was reported meanwhile', async () => {
    const { serving, clock, window } = start(0);
    await serving.switchTo(workerOf('grey@1.0.0'));
    serving.mark();
    window();
    clock.ms += 5_000;
    expect(serving.observe().frames).toBe(150);
  });
});
