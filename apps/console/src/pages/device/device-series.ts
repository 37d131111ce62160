import type { MetricsMinute } from '../../api/generated/index.ts';
import type { DeviceFigures } from '../../live/live-stream.ts';

const MINUTE_MS = 60_000;

/** A point in time of a device's charts; null where nothing is known. */
export interface DevicePoint {
  /** ms since 1970 */
  readonly at: number;
  readonly framesPerSecond: number | null;
  readonly meanMs: number | null;
  readonly p95Ms: number | null;
}

/** Whole minutes as points in their middle. The minute that goes on still is left out: it looks slow until it ends. */
export const pointsOfMinutes = (minutes: readonly MetricsMinute[], now: number): DevicePoint[] => {
  const sums = new Map<number, { frames: number; weighted: number; timed: number }>();
  for (const { at, frames, latencyMeanMs } of minutes) {
    if (at + MINUTE_MS > now) continue;
    // Two releases share the minute in which one followed the other.
    const sum = sums.get(at) ?? { frames: 0, weighted: 0, timed: 0 };
    sum.frames += frames;
    if (latencyMeanMs !== null) {
      sum.weighted += latencyMeanMs * frames;
      sum.timed += frames;
    }
    sums.set(at, sum);
  }
  return [...sums].map(([at, { frames, weighted, timed }]) => ({
    at: at + MINUTE_MS / 2,
    framesPerSecond: frames / (MINUTE_MS / 1000),
    meanMs: timed === 0 ? null : weighted / timed,
    p95Ms: null,
  }));
};

/** What two figures of a device, one after the other, say; throughput only within one run of one release. */
export const pointOfFigures = (before: DeviceFigures | undefined, now: DeviceFigures): DevicePoint => {
  const seconds = before === undefined ? 0 : (now.at - before.at) / 1000;
  const goesOn = before !== undefined && before.release === now.release && now.frames >= before.frames && seconds > 0;
  return {
    at: now.at,
    framesPerSecond: goesOn ? (now.frames - before.frames) / seconds : null,
    meanMs: null,
    p95Ms: now.latencyP95Ms,
  };
};

/** Points in order, those of an hour. */
export const lastHour = (points: readonly DevicePoint[], now: number): DevicePoint[] =>
  points.filter(({ at }) => at > now - 60 * MINUTE_MS).sort((a, b) => a.at - b.at);
