import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { AssignedRelease } from '../state/journal.ts';
import { assignedRelease } from '../testing/releases.ts';
import { AssignmentWatch } from './assignment-watch.ts';
import type { Assignments, Finding } from './assignments.ts';

const log = pino({ level: 'silent' });
const POLL_MS = 60_000;
const release = assignedRelease('a', 'e1');
const refused: Finding = { found: 'refused', code: 'below-floor', message: 'counter 1, floor 2', executionId: 'e1' };

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

/** A watch whose control plane answers so, one answer after the other, the last for ever. */
const start = (...answers: (Finding | Error | Promise<Finding>)[]) => {
  let looks = 0;
  const said: string[] = [];
  const assigned: AssignedRelease[] = [];
  const assignments = {
    look: async () => {
      const answer = answers[Math.min(looks, answers.length - 1)] ?? { found: 'same' as const };
      looks += 1;
      if (answer instanceof Error) throw answer;
      return answer;
    },
  } as Assignments;
  const reporter = {
    event: async (_: string, code: string, message: string) => void said.push(`${code} ${message}`),
    execution: async ({ executionId, state }: { executionId: string; state: string }) =>
      void said.push(`${executionId} ${state}`),
  };
  const watch = new AssignmentWatch(assignments, reporter, (one) => assigned.push(one), POLL_MS, log);
  return { watch, said, assigned, looks: () => looks };
};
const settle = () => vi.advanceTimersByTimeAsync(0);

describe('the assignment watch', () => {
  it('looks at once, and again now and then, not all devices at the same moment', async () => {
    const { watch, looks } = start({ found: 'same' });
    watch.look();
    await settle();
    expect(looks()).toBe(1);
    await vi.advanceTimersByTimeAsync(0.9 * POLL_MS - 1);
    expect(looks()).toBe(1);
    await vi.advanceTimersByTimeAsync(0.2 * POLL_MS + 1);
    expect(looks()).toBe(2);
    watch.stop();
  });

  it('tells of what is assigned', async () => {
    const { watch, assigned } = start({ found: 'assigned', release });
    watch.look();
    await settle();
    expect(assigned).toEqual([release]);
    watch.stop();
  });

  it('looks once more when the bell rings during a look, however often', async () => {
    const { promise, resolve } = Promise.withResolvers<Finding>();
    const { watch, looks } = start(promise, { found: 'same' });
    watch.look();
    await settle();
    for (let i = 0; i < 10; i += 1) watch.look();
    expect(looks()).toBe(1);
    resolve({ found: 'same' });
    await settle();
    expect(looks()).toBe(2);
    expect(vi.getTimerCount()).toBe(1);
    watch.stop();
  });

  it('asks again soon, then later and later, when it was not answered', async () => {
    const { watch, looks } = start(new Error('unreachable'));
    watch.look();
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
    watch.stop();
  });

  it('says a refusal once, ends its execution, and says another one', async () => {
    const other: Finding = { ...refused, executionId: 'e2' };
    const { watch, said } = start(refused, refused, other);
    for (let i = 0; i < 4; i += 1) {
      watch.look();
      await settle();
    }
    expect(said).toEqual([
      'assignment-refused below-floor: counter 1, floor 2',
      'e1 REJECTED',
      'assignment-refused below-floor: counter 1, floor 2',
      'e2 REJECTED',
    ]);
    watch.stop();
  });

  it('does not say again and again that something has expired, with another time each', async () => {
    const expired = (message: string): Finding => ({
      found: 'refused',
      code: 'expired',
      message,
      executionId: undefined,
    });
    const { watch, said } = start(expired('it is 12:00'), expired('it is 12:01'));
    for (let i = 0; i < 3; i += 1) {
      watch.look();
      await settle();
    }
    expect(said).toEqual(['assignment-refused expired: it is 12:00']);
    watch.stop();
  });

  it('does nothing after its end, also when it was looking', async () => {
    const { promise, resolve } = Promise.withResolvers<Finding>();
    const { watch, looks } = start(promise);
    watch.look();
    await settle();
    watch.stop();
    resolve({ found: 'same' });
    await settle();
    watch.look();
    await vi.advanceTimersByTimeAsync(10 * POLL_MS);
    expect(looks()).toBe(1);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('takes up nothing that was found after its end', async () => {
    const { promise, resolve } = Promise.withResolvers<Finding>();
    const { watch, assigned } = start(promise);
    watch.look();
    await settle();
    watch.stop();
    resolve({ found: 'assigned', release });
    await settle();
    expect(assigned).toEqual([]);
  });
});
