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
  it('looks at once, and again now and then', async () => {
    const { watch, looks } = start({ found: 'same' });
    watch.look();
    await settle();
    expect(looks()).toBe(1);
    await vi.advanceTimersByTimeAsync(1.1 * POLL_MS);
    expect(looks()).toBe(2);
    watch.stop();
  });

  it('asks again soon when it was not answered', async () => {
    const { watch, looks, assigned } = start(new Error('unreachable'), { found: 'assigned', release });
    watch.look();
    await vi.advanceTimersByTimeAsync(1_000);
    expect(looks()).toBe(2);
    expect(assigned).toEqual([release]);
    watch.stop();
  });

  it('tells of what is assigned', async () => {
    const { watch, assigned } = start({ found: 'assigned', release });
    watch.look();
    await settle();
    expect(assigned).toEqual([release]);
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

  it('takes up nothing that was found after its end, and looks no more', async () => {
    const { promise, resolve } = Promise.withResolvers<Finding>();
    const { watch, assigned, looks } = start(promise);
    watch.look();
    await settle();
    watch.stop();
    resolve({ found: 'assigned', release });
    watch.look();
    await vi.advanceTimersByTimeAsync(10 * POLL_MS);
    expect(assigned).toEqual([]);
    expect(looks()).toBe(1);
    expect(vi.getTimerCount()).toBe(0);
  });
});
