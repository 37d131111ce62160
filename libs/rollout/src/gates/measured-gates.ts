import { type Measured, percent } from './judged.ts';
import type { WaveFacts } from './wave-facts.ts';

interface LowConfidenceLimit {
  readonly max: number;
  readonly minimumFrames: number;
  readonly minimumDevices: number;
}

/** Of how many frames the devices of a wave are unsure, all together. */
export const ofLowConfidence = (
  { max, minimumFrames, minimumDevices }: LowConfidenceLimit,
  facts: WaveFacts,
): Measured => {
  const measured = facts.devices.filter((device) => device.frames > 0);
  const frames = measured.reduce((total, device) => total + device.frames, 0);
  const low = measured.reduce((total, device) => total + device.lowConfidence, 0);
  const estimate = frames === 0 ? null : low / frames;
  return {
    result: { gate: 'lowConfidenceRate', estimate, bound: max, evidence: frames },
    fails: (estimate ?? 0) > max,
    enough: frames >= minimumFrames && measured.length >= minimumDevices,
    words: `unsure of ${percent(estimate ?? 0)} of ${frames} frames on ${measured.length} devices, at most ${percent(max)} allowed`,
    minimum: `${minimumFrames} frames on ${minimumDevices} devices`,
  };
};

interface LatencyLimit {
  readonly maxMs: number;
  readonly minimumDevices: number;
}

/** Whether any device is slower than it may be. */
export const ofLatency = ({ maxMs, minimumDevices }: LatencyLimit, facts: WaveFacts): Measured => {
  const times = facts.devices.map((device) => device.latencyP95Ms).filter((time) => time !== null);
  const slow = times.filter((time) => time > maxMs).length;
  const worst = times.reduce<number | null>((most, time) => (most === null || time > most ? time : most), null);
  return {
    result: { gate: 'latencyP95', estimate: worst, bound: maxMs, evidence: times.length },
    fails: slow > 0,
    enough: times.length >= minimumDevices,
    words: `${slow} of ${times.length} devices are over ${maxMs} ms at p95${worst === null ? '' : ` (the slowest ${worst.toFixed(1)} ms)`}`,
    minimum: `${minimumDevices} measured devices`,
  };
};
