import { describe, expect, it } from 'vitest';
import { type Answer, refuseAnswer } from './participation.ts';
import { PARTICIPANT_STATES, type Part, type ParticipantState, ROUND_STATES, type RoundState } from './states.ts';

const NOW = 1_000_000;
const answer = (to: Part, state: RoundState, own: ParticipantState = 'INVITED'): Answer => ({
  to,
  round: { state, deadlineAt: NOW + 1 },
  participant: { part: to, state: own },
});

describe('refuseAnswer', () => {
  it.each([
    ['train', 'COLLECTING'],
    ['evaluate', 'EVALUATING'],
  ] as const)('takes the answer to %s only while %s', (to, phase) => {
    for (const state of ROUND_STATES) {
      const refusal = refuseAnswer(answer(to, state), NOW);
      if (state === phase) expect(refusal).toBeUndefined();
      else if (state === 'COMMITTED' || state === 'ABANDONED') expect(refusal?.code).toBe('round-ended');
      else
        expect(refusal).toMatchObject({
          code: 'round-not-now',
          words: expect.stringContaining(`the round is ${state}`),
        });
    }
  });

  it('takes one answer of each device', () => {
    const taken = PARTICIPANT_STATES.filter(
      (state) => refuseAnswer(answer('train', 'COLLECTING', state), NOW) === undefined,
    );
    expect(taken).toEqual(['INVITED', 'WORKING']);
    expect(refuseAnswer(answer('train', 'COLLECTING', 'SILENT'), NOW)).toEqual({
      code: 'round-answered',
      words: "Expected one answer of each device; this one's part is SILENT.",
    });
  });

  it('takes nothing from a device that was not selected, or for the other part', () => {
    const stranger = { ...answer('train', 'COLLECTING'), participant: undefined };
    expect(refuseAnswer(stranger, NOW)).toEqual({
      code: 'round-not-selected',
      words: 'Expected an update from a selected device; this one has no part in it.',
    });
    const evaluator: Answer = { ...answer('train', 'COLLECTING'), participant: { part: 'evaluate', state: 'INVITED' } };
    expect(refuseAnswer(evaluator, NOW)?.words).toContain('another part in it (evaluate)');
  });

  it('takes nothing from the deadline on', () => {
    expect(refuseAnswer(answer('train', 'COLLECTING'), NOW + 1)?.words).toBe(
      'Expected an update before the deadline; it has passed.',
    );
  });
});
