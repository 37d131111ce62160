import { describe, expect, it } from 'vitest';
import type { ExecutionView } from '../../api/generated/index.ts';
import { groupFailures } from './failure-groups.ts';

const failed = (deviceName: string, changes: Partial<ExecutionView>): ExecutionView => ({
  id: deviceName,
  deviceId: deviceName,
  deviceName,
  profile: 'rpi5',
  wave: 0,
  kind: 'install',
  state: 'ROLLED_BACK',
  diverged: false,
  variant: 'cpu',
  from: null,
  reason: null,
  shadow: null,
  updatedAt: 0,
  ...changes,
});

describe('groupFailures', () => {
  it('puts those together that differ in their numbers only, the largest group first', () => {
    const groups = groupFailures([
      failed('a', { state: 'TIMED_OUT', reason: 'nothing final within 6h' }),
      failed('b', { reason: 'low confidence on 41.5 % of 200 frames' }),
      failed('c', { reason: 'low confidence on 90 % of 15 frames' }),
    ]);
    expect(groups.map(({ executions, varies }) => [executions.length, varies])).toEqual([
      [2, true],
      [1, false],
    ]);
    expect(groups[0]?.reason).toBe('low confidence on 41.5 % of 200 frames');
  });

  it('keeps ends apart that share their words, and says why a device that succeeded is here', () => {
    const groups = groupFailures([
      failed('a', { state: 'FAILED', reason: 'no space' }),
      failed('b', { state: 'REJECTED', reason: 'no space' }),
      failed('c', { state: 'SUCCEEDED', diverged: true }),
    ]);
    expect(groups).toHaveLength(3);
    expect(groups[2]?.reason).toBe('succeeded, and then ran something else');
  });
});
