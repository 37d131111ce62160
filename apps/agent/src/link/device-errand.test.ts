import { ApiError } from '@aviary/protocol';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { askedTask, DeviceErrand, type ErrandOptions } from './device-errand.ts';

const log = pino({ level: 'silent' });
const POLL_MS = 60_000;

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

type Run = ErrandOptions['run'];

/** An errand that does this at its looks, one after the other, the last for ever. */
const prepare = (pollMs: number | null, ...runs: Run[]) => {
  let looks = 0;
  const errand = new DeviceErrand({
    run: async (signal) => {
      looks += 1;
      await runs[Math.min(looks, runs.length) - 1]?.(signal);
    },
    pollMs,
    failed: 'looked at again',
    log,
  });
  return { errand, looks: () => looks };
};
const settle = () => vi.advanceTimersByTimeAsync(0);

const nothing: Run = async () => {};
const fails: Run = async () => {
  throw new Error('unreachable');
};
/** Is at it until it is broken off. */
const lasts: Run = (signal) =>
  new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason), { once: true }));

describe('an errand', () => {
  it('looks at once, and again now and then, not all devices at the same moment', async () => {
    const { errand, looks } = prepare(POLL_MS, nothing);
    errand.look();
    await settle();
    expect(looks()).toBe(1);
    await vi.advanceTimersByTimeAsync(0.9 * POLL_MS - 1);
    expect(looks()).toBe(1);
    await vi.advanceTimersByTimeAsync(0.2 * POLL_MS + 1);
    expect(looks()).toBe(2);
    await errand.stop();
  });

  it('without a time of its own looks only when somebody rings', async () => {
    const { errand, looks } = prepare(null, nothing);
    for (const rung of [1, 2]) {
      errand.look();
      await settle();
      expect(looks()).toBe(rung);
      expect(vi.getTimerCount()).toBe(0);
    }
  });

  it('is one look at a time, and one more when somebody rings during a look, however often', async () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    const { errand, looks } = prepare(POLL_MS, () => promise, nothing);
    errand.look();
    await settle();
    for (let i = 0; i < 10; i += 1) errand.look();
    await vi.advanceTimersByTimeAsync(10 * POLL_MS);
    expect(looks()).toBe(1);
    resolve();
    await settle();
    expect(looks()).toBe(2);
    expect(vi.getTimerCount()).toBe(1);
    await errand.stop();
  });

  it('looks once more, afterwards, when what it does says so', async () => {
    const order: string[] = [];
    const { errand } = prepare(
      null,
      async () => {
        errand.look();
        await Promise.resolve();
        order.push('the first has ended');
      },
      async () => void order.push('the second begins'),
    );
    errand.look();
    await settle();
    expect(order).toEqual(['the first has ended', 'the second begins']);
  });

  it.each([null, POLL_MS])('tries again soon, then later and later, when it failed (pollMs: %s)', async (pollMs) => {
    const { errand, looks } = prepare(pollMs, fails);
    errand.look();
    await vi.advanceTimersByTimeAsync(499);
    expect(looks()).toBe(1);
    await vi.advanceTimersByTimeAsync(501);
    expect(looks()).toBe(2);
    await vi.advanceTimersByTimeAsync(2_000);
    expect(looks()).toBe(3);
    await vi.advanceTimersByTimeAsync(600_000);
    const before = looks();
    expect(before).toBeLessThan(40);
    await vi.advanceTimersByTimeAsync(POLL_MS);
    expect(looks()).toBeGreaterThan(before);
    await errand.stop();
  });

  it('does not wait longer for another try than for a look of its own', async () => {
    const { errand, looks } = prepare(100, fails);
    errand.look();
    await vi.advanceTimersByTimeAsync(10_000);
    expect(looks()).toBeGreaterThanOrEqual(10_000 / 110);
    await errand.stop();
  });

  it('starts with a short pause again after it worked', async () => {
    const { errand, looks } = prepare(null, fails, fails, fails, nothing, fails, nothing);
    errand.look();
    await vi.advanceTimersByTimeAsync(1_000 + 2_000 + 4_000);
    expect(looks()).toBe(4);
    errand.look();
    await vi.advanceTimersByTimeAsync(1_000);
    expect(looks()).toBe(6);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('looks after the pause that was asked for, and not also at its own time', async () => {
    const { errand, looks } = prepare(POLL_MS, async () => errand.lookAfter(15_000), nothing);
    errand.look();
    await vi.advanceTimersByTimeAsync(14_999);
    expect(looks()).toBe(1);
    await vi.advanceTimersByTimeAsync(1);
    expect(looks()).toBe(2);
    expect(vi.getTimerCount()).toBe(1);
    await errand.stop();
  });

  it('that is rung for during a pause does not look for it once more', async () => {
    const { errand, looks } = prepare(null, async () => errand.lookAfter(15_000), nothing);
    errand.look();
    await settle();
    errand.look();
    await vi.advanceTimersByTimeAsync(20_000);
    expect(looks()).toBe(2);
  });

  it('that is broken off is looked at anew, at once, and is no failure', async () => {
    const signals: AbortSignal[] = [];
    const { errand, looks } = prepare(
      null,
      (signal) => {
        signals.push(signal);
        return lasts(signal);
      },
      async (signal) => void signals.push(signal),
      fails,
      nothing,
    );
    errand.look();
    await settle();
    errand.breakOff('another release serves');
    await settle();
    expect(looks()).toBe(2);
    expect(signals.map(({ aborted }) => aborted)).toEqual([true, false]);
    expect(signals[0]?.reason).toMatchObject({ code: 'broken-off', message: 'another release serves' });
    expect(vi.getTimerCount()).toBe(0);
    // The first failure that is one has the shortest pause.
    errand.look();
    await vi.advanceTimersByTimeAsync(1_000);
    expect(looks()).toBe(4);
  });

  it('that is broken off while it does nothing does nothing', async () => {
    const { errand, looks } = prepare(null, async (signal) => signal.throwIfAborted());
    errand.breakOff('another release serves');
    await settle();
    expect(looks()).toBe(0);
    errand.look();
    await settle();
    expect(looks()).toBe(1);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('that is stopped breaks off, has ended, and looks no more', async () => {
    const order: string[] = [];
    const { errand, looks } = prepare(POLL_MS, async (signal) => {
      await lasts(signal).catch(() => order.push('broken off'));
      await new Promise((resolve) => setTimeout(resolve, 1_000));
      order.push('ended');
      errand.lookAfter(10);
    });
    errand.look();
    await settle();
    // Rung for, too.
    errand.look();
    expect(errand.isStopped).toBe(false);
    const stopped = errand.stop().then(() => order.push('stopped'));
    expect(errand.isStopped).toBe(true);
    await settle();
    expect(order).toEqual(['broken off']);
    await vi.advanceTimersByTimeAsync(1_000);
    await stopped;
    expect(order).toEqual(['broken off', 'ended', 'stopped']);
    expect(vi.getTimerCount()).toBe(0);
    errand.look();
    await vi.advanceTimersByTimeAsync(10 * POLL_MS);
    expect(looks()).toBe(1);
  });

  it('that is stopped during a pause does not come back from it', async () => {
    const { errand, looks } = prepare(POLL_MS, fails);
    errand.look();
    await settle();
    await errand.stop();
    expect(vi.getTimerCount()).toBe(0);
    await vi.advanceTimersByTimeAsync(10 * POLL_MS);
    expect(looks()).toBe(1);
  });
});

describe('what is asked of a device', () => {
  const problem = (status: number) =>
    new ApiError({ type: 'about:blank', title: 'a problem', status, code: 'some-code', detail: '' });

  it('is a task, or nothing; whatever else went wrong is not nothing', async () => {
    expect(await askedTask(async () => 'a task')).toBe('a task');
    expect(await askedTask(() => Promise.reject(problem(404)))).toBeUndefined();
    await expect(askedTask(() => Promise.reject(problem(503)))).rejects.toMatchObject({ code: 'some-code' });
    await expect(askedTask(() => Promise.reject(new Error('unreachable')))).rejects.toThrow('unreachable');
  });
});
