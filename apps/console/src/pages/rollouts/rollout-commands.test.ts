import { describe, expect, it } from 'vitest';
import type { WaveView } from '../../api/generated/index.ts';
import { actionEquivalent, refusalOf } from './rollout-commands.ts';

const wave = (state: WaveView['state']): WaveView => ({
  index: 0,
  state,
  size: 1,
  cumulative: 1,
  counts: {},
  startedAt: null,
  soakUntil: null,
  endedAt: null,
  gates: [],
});

describe('refusalOf', () => {
  it('lets a running rollout be paused, and no finished one', () => {
    expect(refusalOf({ state: 'RUNNING', waves: [wave('RUNNING')] }, 'pause')).toBeNull();
    expect(refusalOf({ state: 'FINISHED', waves: [wave('PASSED')] }, 'pause')).toBe(
      'Expected a rollout that is RUNNING for pause; this one is FINISHED.',
    );
  });

  it('names the wave that stands in the way of resume', () => {
    expect(refusalOf({ state: 'PAUSED', waves: [wave('FAILED')] }, 'resume')).toMatch(/^Wave 1 has failed; promote/);
  });
});

describe('actionEquivalent', () => {
  it('names the rollout as the command line takes it', () => {
    expect(actionEquivalent('6f1c2a34-0000-4000-8000-000000000001', 'undo')).toBe('aviary rollout undo 6f1c2a34');
  });
});
