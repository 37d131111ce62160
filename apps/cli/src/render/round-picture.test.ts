import type { RoundDetail, RoundParticipant } from '@aviary/protocol';
import { describe, expect, it } from 'vitest';
import { roundPicture } from './round-picture.ts';

const participant = (state: RoundParticipant['state'], part: RoundParticipant['part'] = 'train'): RoundParticipant => ({
  deviceId: 'd-1',
  deviceName: 'camera',
  part,
  state,
  samples: null,
  loss: null,
  norm: null,
  reason: null,
  updatedAt: 0,
});

const round = (changes: Partial<RoundDetail> = {}): RoundDetail => ({
  id: '6f1c2a34-0000-4000-8000-000000000001',
  release: 'meter-reader@1.1.0',
  target: 'site=lyon',
  state: 'COLLECTING',
  reason: null,
  createdAt: 0,
  deadlineAt: null,
  endedAt: null,
  goal: 4,
  selected: 5,
  updates: 2,
  refused: 0,
  candidate: null,
  spec: {
    release: 'meter-reader@1.1.0',
    target: 'site=lyon',
    goal: 4,
    overSelection: 1.3,
    evaluators: 1,
    minSamples: 50,
    selectFor: 600,
    collectFor: 600,
    evaluateFor: 600,
    clipNorm: null,
    margin: 0,
    training: { epochs: 5, batchSize: 16, learningRate: 0.05, seed: 1 },
  },
  backbone: 'a'.repeat(64),
  participants: [],
  aggregate: null,
  evaluation: null,
  history: [],
  ...changes,
});

const text = (changes: Partial<RoundDetail>, now?: number) => roundPicture(round(changes), now).join('\n');

describe('roundPicture', () => {
  it('says what is improved, where, and how far it is', () => {
    const [first, second] = roundPicture(round({ refused: 1 }), undefined);
    expect(first).toBe('meter-reader@1.1.0 → site=lyon   COLLECTING');
    expect(second).toBe('  2 of 4 updates from 5 selected devices, 1 refused');
  });

  it.each([
    [59_001, '1m left'],
    [59_000, '59s left'],
    [3_600_000, '1h left'],
    [-5_000, '0s left'],
  ])('counts the deadline down: %i ms', (left, words) => {
    expect(text({ deadlineAt: 1e12 + left }, 1e12)).toContain(`COLLECTING, ${words}`);
  });

  it('names the deadline where nothing can be redrawn', () => {
    expect(text({ deadlineAt: 1e12 })).toContain('COLLECTING, until 2001-09-09T01:46:40.000Z');
  });

  it('draws each part by the states of its devices', () => {
    const picture = text({
      participants: [
        participant('REPORTED'),
        participant('REFUSED'),
        participant('WORKING'),
        participant('INVITED'),
        participant('SILENT', 'evaluate'),
      ],
    });
    expect(picture).toMatch(/train +█{7}×{7}▒{7}·{7} +4 devices +1 reported, 1 working, 1 invited, 1 refused/);
    expect(picture).toMatch(/evaluate +×{28} +1 device +1 silent/);
  });

  it('says what the sum is, how it was judged, and what to do next', () => {
    const aggregate = { sha256: 'b'.repeat(64), updates: 4, samples: 320, norm: 0.4182, clipNorm: 0.5, clipped: 3 };
    const tally = { correct: 1, loss: 1 };
    const evaluation = { devices: 1, samples: 50, base: tally, candidate: tally, words: '40 of 50 right, before 31.' };
    const picture = text({ state: 'COMMITTED', aggregate, evaluation });
    expect(picture).toContain('4 updates on 320 samples, length 0.418, 3 shortened to 0.500');
    expect(picture).toContain('40 of 50 right, before 31.');
    expect(picture).toContain('aviary fed candidate 6f1c2a34');
    expect(text({ state: 'COMMITTED', candidate: 'meter-reader@1.2.0' })).toContain('published as meter-reader@1.2.0');
  });

  it('says why a round was abandoned, and passes on no control characters', () => {
    const picture = text({ state: 'ABANDONED', reason: 'too few\u001b[2J' });
    expect(picture).toContain('ABANDONED: too few');
    expect(picture).not.toContain('\u001b');
    expect(picture).not.toContain('fed candidate');
  });
});
