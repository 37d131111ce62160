import { describe, expect, it } from 'vitest';
import type { DeviceFigures } from '../../live/live-stream.ts';
import { lastHour, pointOfFigures, pointsOfMinutes } from './device-series.ts';

const NOW = Date.UTC(2026, 0, 1, 12, 0, 30);
const minute = (at: number, frames: number, latencyMeanMs: number | null, release = 'm@1.0.0') => ({
  at,
  release,
  frames,
  dropped: 0,
  errors: 0,
  lowConfidence: 0,
  labelled: 0,
  correct: 0,
  latencyMeanMs,
  latencyMaxMs: latencyMeanMs,
});
const figures = (at: number, frames: number, release = 'm@1.0.0'): DeviceFigures => ({
  deviceId: 'd-1',
  at,
  release,
  frames,
  dropped: 0,
  errors: 0,
  lowConfidence: 0,
  labelled: 0,
  correct: 0,
  latencyP95Ms: 7,
  board: null,
});

describe('pointsOfMinutes', () => {
  const noon = Date.UTC(2026, 0, 1, 12);

  it('leaves the minute out that has not ended', () => {
    const points = pointsOfMinutes([minute(noon - 60_000, 600, 4), minute(noon, 30, 4)], NOW);
    expect(points).toEqual([{ at: noon - 30_000, framesPerSecond: 10, meanMs: 4, p95Ms: null }]);
  });

  it('adds two releases of one minute up, weighting their latencies by frames', () => {
    const points = pointsOfMinutes([minute(noon - 60_000, 300, 4), minute(noon - 60_000, 100, 8, 'm@1.1.0')], NOW);
    expect(points).toMatchObject([{ framesPerSecond: 400 / 60, meanMs: 5 }]);
  });

  it('knows no latency of a minute without frames', () => {
    expect(pointsOfMinutes([minute(noon - 60_000, 0, null)], NOW)).toMatchObject([
      { framesPerSecond: 0, meanMs: null },
    ]);
  });
});

describe('pointOfFigures', () => {
  it('makes a throughput of two that follow each other', () => {
    expect(pointOfFigures(figures(1000, 50), figures(11_000, 150))).toEqual({
      at: 11_000,
      framesPerSecond: 10,
      meanMs: null,
      p95Ms: 7,
    });
  });

  it.each([
    ['the first one', undefined, figures(11_000, 150)],
    ['another release', figures(1000, 50), figures(11_000, 150, 'm@1.1.0')],
    ['a count that began anew', figures(1000, 500), figures(11_000, 150)],
    ['the same moment twice', figures(1000, 50), figures(1000, 50)],
  ])('makes none of %s', (_, before, now) => {
    expect(pointOfFigures(before, now).framesPerSecond).toBeNull();
  });
});

it('lastHour is in order and lets go what is older', () => {
  const point = (at: number) => ({ at, framesPerSecond: 1, meanMs: null, p95Ms: null });
  expect(lastHour([point(NOW - 10), point(NOW - 3_600_001), point(NOW - 20)], NOW).map(({ at }) => at)).toEqual([
    NOW - 20,
    NOW - 10,
  ]);
});
