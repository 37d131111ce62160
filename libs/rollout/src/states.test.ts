import { describe, expect, it } from 'vitest';
import {
  applyExecutionReport,
  EXECUTION_STATES,
  type ExecutionState,
  FAILURE_STATES,
  isEndedExecution,
  isEndedRollout,
  ROLLOUT_STATES,
  SUCCESS_STATES,
} from './states.ts';

const digests = { running: 'a'.repeat(64), expected: 'a'.repeat(64), onlyFetches: true };

const UNDER_WAY: readonly ExecutionState[] = [
  'QUEUED',
  'NOTIFIED',
  'DOWNLOADING',
  'DOWNLOADED',
  'VERIFIED',
  'PREPARING',
  'INSTALLING',
  'PROBATION',
];
const BY_A_DEVICE: readonly ExecutionState[] = [
  'DOWNLOADING',
  'DOWNLOADED',
  'VERIFIED',
  'PREPARING',
  'INSTALLING',
  'PROBATION',
  'SUCCEEDED',
  'FAILED',
  'REJECTED',
  'ROLLED_BACK',
  'ALREADY_INSTALLED',
  'STAGED',
];
const pairs = EXECUTION_STATES.flatMap((from) => EXECUTION_STATES.map((to) => [from, to] as const));

describe('states', () => {
  it('of an execution are under way or ended', () => {
    expect(EXECUTION_STATES.filter((state) => !isEndedExecution(state))).toEqual(UNDER_WAY);
  });

  it('that ended failed, succeeded, or say nothing of the release', () => {
    const ended = EXECUTION_STATES.filter(isEndedExecution);
    const judged: readonly ExecutionState[] = [...FAILURE_STATES, ...SUCCESS_STATES];
    expect(new Set(judged).size).toBe(judged.length);
    expect(ended.filter((state) => !judged.includes(state))).toEqual(['CANCELED', 'REMOVED']);
  });

  it('of a rollout that has ended are four', () => {
    expect(ROLLOUT_STATES.filter(isEndedRollout)).toEqual(['APPROVAL_DENIED', 'FINISHED', 'STOPPED', 'ROLLED_BACK']);
  });
});

describe("a device's report", () => {
  const moves = pairs.filter(([from, to]) => UNDER_WAY.includes(from) && BY_A_DEVICE.includes(to) && from !== to);

  it('moves an execution under way to whatever a device may say, also back after a restart', () => {
    expect(moves).toHaveLength(8 * 12 - 6);
    for (const [from, to] of moves)
      expect([from, applyExecutionReport(from, to, digests)]).toEqual([from, { moved: to }]);
  });

  it('moves nothing in any other case, and says why', () => {
    for (const [from, to] of pairs) {
      if (moves.some((move) => move[0] === from && move[1] === to)) continue;
      const ignored = isEndedExecution(from) ? 'ended' : BY_A_DEVICE.includes(to) ? 'unchanged' : 'not-reportable';
      expect([from, to, applyExecutionReport(from, to, digests)]).toEqual([from, to, { ignored }]);
    }
  });

  it.each([
    ['another digest runs', { running: 'b'.repeat(64), expected: 'a'.repeat(64) }],
    ['it does not say what runs', { running: undefined, expected: 'a'.repeat(64) }],
    ['nobody knows what should run', { running: 'a'.repeat(64), expected: undefined }],
    ['neither is known', { running: undefined, expected: undefined }],
    ['the digest is in other letters', { running: 'A'.repeat(64), expected: 'a'.repeat(64) }],
  ])('of success is not believed when %s', (_, given) => {
    for (const from of UNDER_WAY) {
      for (const to of ['SUCCEEDED', 'ALREADY_INSTALLED'] as const)
        expect(applyExecutionReport(from, to, { ...given, onlyFetches: false })).toEqual({ ignored: 'wrong-digest' });
      expect(applyExecutionReport(from, 'FAILED', { ...given, onlyFetches: false })).toEqual({ moved: 'FAILED' });
    }
  });

  it('of having fetched the release is an end only where nothing more was asked for, whatever runs', () => {
    const nothing = { running: undefined, expected: undefined };
    expect(applyExecutionReport('DOWNLOADED', 'STAGED', { ...nothing, onlyFetches: true })).toEqual({
      moved: 'STAGED',
    });
    expect(applyExecutionReport('DOWNLOADED', 'STAGED', { ...digests, onlyFetches: false })).toEqual({
      ignored: 'not-staging',
    });
  });

  it('of success never revives an ended execution, with the right digest either', () => {
    expect(applyExecutionReport('TIMED_OUT', 'SUCCEEDED', digests)).toEqual({ ignored: 'ended' });
    expect(applyExecutionReport('CANCELED', 'SUCCEEDED', digests)).toEqual({ ignored: 'ended' });
  });
});
