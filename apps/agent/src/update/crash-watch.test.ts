import { describe, expect, it } from 'vitest';
import { CrashWatch } from './crash-watch.ts';

/** Losses at these minutes, and what is said at each. */
const at = (...minutes: number[]) => {
  const watch = new CrashWatch();
  return minutes.map((minute) => {
    const looping = watch.lost('one', minute * 60_000);
    return { looping, pauseMs: watch.restMs('one', minute * 60_000) };
  });
};

describe('the crash watch', () => {
  it('lets a worker start again at once the first time, then later and later, a minute at most', () => {
    const pauses = at(0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9).map(({ pauseMs }) => pauseMs);
    expect(pauses).toEqual([0, 1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000, 60_000]);
  });

  it('says how much of the pause is left', () => {
    const watch = new CrashWatch();
    expect(watch.restMs('one', 0)).toBe(0);
    watch.lost('one', 1_000);
    expect(watch.restMs('one', 1_000)).toBe(0);
    watch.lost('one', 2_000);
    expect([2_000, 2_400, 3_000, 9_000].map((now) => watch.restMs('one', now))).toEqual([1_000, 600, 0, 0]);
    watch.forgive('one');
    expect(watch.restMs('one', 2_000)).toBe(0);
  });

  it('speaks of a loop at the fifth within ten minutes', () => {
    expect(at(0, 1, 2, 3, 4).map(({ looping }) => looping)).toEqual([false, false, false, false, true]);
  });

  it('forgets what lies ten minutes back', () => {
    expect(at(0, 3, 6, 9, 12, 15, 18).map(({ looping }) => looping)).not.toContain(true);
    expect(at(0, 10)[1]).toEqual({ pauseMs: 0, looping: false });
    expect(at(0, 9.99)[1]).toEqual({ pauseMs: 1_000, looping: false });
  });

  it('counts each release for itself, and forgives the one that is assigned anew', () => {
    const watch = new CrashWatch();
    for (let i = 0; i < 4; i += 1) watch.lost('one', i);
    expect(watch.lost('two', 5)).toBe(false);
    expect(watch.restMs('two', 5)).toBe(0);
    watch.forgive('one');
    expect(watch.lost('one', 6)).toBe(false);
    expect(watch.restMs('one', 6)).toBe(0);
    watch.lost('two', 7);
    expect(watch.restMs('two', 7)).toBe(1_000);
  });
});
