import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { type DoStep, UpdateLoop } from './update-loop.ts';

const log = pino({ level: 'silent' });

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
});

/** A loop whose steps do these things one after the other, then nothing more. */
const loopOf = (...things: DoStep[]) => {
  let calls = 0;
  const loop = new UpdateLoop(async (signal) => {
    const thing = things[calls];
    calls += 1;
    return thing === undefined ? false : thing(signal);
  }, log);
  return { loop, calls: () => calls };
};
const done: DoStep = async () => true;
const fails: DoStep = async () => {
  throw new Error('not now');
};
/** Goes on until it is broken off. */
const untilBrokenOff: DoStep = (signal) =>
  new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error)));
const settle = () => vi.advanceTimersByTimeAsync(0);

describe('the update loop', () => {
  it('takes steps for as long as there are any, and sleeps until it is woken', async () => {
    const { loop, calls } = loopOf(done, done);
    loop.wake();
    await settle();
    expect(calls()).toBe(3);
    await vi.advanceTimersByTimeAsync(3_600_000);
    expect(calls()).toBe(3);
    loop.wake();
    await settle();
    expect(calls()).toBe(4);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('does one thing at a time, and looks once more when it was woken meanwhile', async () => {
    let running = 0;
    let most = 0;
    const slow: DoStep = async () => {
      running += 1;
      most = Math.max(most, running);
      await new Promise((resolve) => setTimeout(resolve, 100));
      running -= 1;
      return false;
    };
    const { loop, calls } = loopOf(slow, slow, slow);
    loop.wake();
    await vi.advanceTimersByTimeAsync(1_000);
    expect(calls()).toBe(1);
    loop.wake();
    await vi.advanceTimersByTimeAsync(50);
    loop.wake();
    loop.wake();
    await vi.advanceTimersByTimeAsync(1_000);
    expect(calls()).toBe(3);
    expect(most).toBe(1);
  });

  it('tries again what failed, later each time, and at once after a success', async () => {
    // The shortest of all pauses: half of 1, 2, 4 … seconds.
    vi.spyOn(Math, 'random').mockReturnValue(0);
    const { loop, calls } = loopOf(fails, fails, fails, done, fails);
    loop.wake();
    await settle();
    const counts = [calls()];
    for (const pauseMs of [499, 1, 999, 1, 1_999, 1, 499, 1]) {
      await vi.advanceTimersByTimeAsync(pauseMs);
      counts.push(calls());
    }
    expect(counts).toEqual([1, 1, 2, 2, 3, 3, 5, 5, 6]);
  });

  it('waits a minute at most, however often it failed', async () => {
    const { loop, calls } = loopOf(...Array.from({ length: 60 }, () => fails));
    loop.wake();
    await vi.advanceTimersByTimeAsync(600_000);
    const before = calls();
    await vi.advanceTimersByTimeAsync(60_000);
    expect(calls()).toBeGreaterThan(before);
  });

  it('does not wait any longer when it is woken during the pause', async () => {
    const { loop, calls } = loopOf(fails);
    loop.wake();
    await settle();
    loop.wake();
    await settle();
    expect(calls()).toBe(2);
  });

  it('breaks off what is out of date and plans anew, without a pause', async () => {
    const signals: AbortSignal[] = [];
    const { loop, calls } = loopOf((signal) => {
      signals.push(signal);
      return untilBrokenOff(signal);
    }, done);
    loop.wake();
    await settle();
    loop.replan();
    await settle();
    expect(signals[0]?.aborted).toBe(true);
    expect(calls()).toBe(3);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('does not break off what is begun after the plan', async () => {
    const aborted: boolean[] = [];
    const { loop } = loopOf(async (signal) => {
      aborted.push(signal.aborted);
      return false;
    });
    loop.replan();
    await settle();
    expect(aborted).toEqual([false]);
  });

  it('ends when what it is doing has ended, and does nothing afterwards', async () => {
    const { loop, calls } = loopOf(untilBrokenOff, done, done);
    loop.wake();
    await settle();
    await loop.stop();
    loop.wake();
    loop.wakeAfter(10);
    loop.replan();
    await vi.advanceTimersByTimeAsync(1_000);
    expect(calls()).toBe(1);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('leaves no timer behind', async () => {
    const { loop } = loopOf(fails);
    loop.wake();
    loop.wakeAfter(60_000);
    await settle();
    expect(vi.getTimerCount()).toBe(2);
    await loop.stop();
    expect(vi.getTimerCount()).toBe(0);
    loop.wakeAfter(60_000);
    expect(vi.getTimerCount()).toBe(0);
  });
});
