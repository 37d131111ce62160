import { describe, expect, it } from 'vitest';
import { PHASES, phaseStatuses } from './round-phases.ts';

const nothing = { aggregate: null, evaluation: null, selected: 0 };
const aggregate = { sha256: '', updates: 1, samples: 1, norm: 1, clipNorm: 1, clipped: 0 };

describe('phaseStatuses', () => {
  it('has one present phase, what is before it done, and what is after it to come', () => {
    expect(phaseStatuses({ ...nothing, state: 'COLLECTING', selected: 3 })).toEqual([
      'done',
      'done',
      'present',
      'to-come',
      'to-come',
      'to-come',
    ]);
  });

  it('has everything to come in a draft, and everything done in a committed round', () => {
    expect(new Set(phaseStatuses({ ...nothing, state: 'DRAFT' }))).toEqual(new Set(['to-come']));
    expect(new Set(phaseStatuses({ ...nothing, state: 'COMMITTED' }))).toEqual(new Set(['done']));
  });

  it('shows of an abandoned round what it surely came to', () => {
    const lastDone = (round: Parameters<typeof phaseStatuses>[0]) =>
      PHASES[phaseStatuses(round).lastIndexOf('done')]?.state;
    expect(lastDone({ ...nothing, state: 'ABANDONED' })).toBe('SELECTING');
    expect(lastDone({ ...nothing, state: 'ABANDONED', selected: 2 })).toBe('CONFIGURED');
    expect(lastDone({ ...nothing, state: 'ABANDONED', selected: 2, aggregate })).toBe('AGGREGATING');
  });
});
