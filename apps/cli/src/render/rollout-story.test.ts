import { describe, expect, it } from 'vitest';
import { rolloutStory } from './rollout-story.ts';

const judgement = {
  wave: 0,
  gate: 'latencyP95 versus control',
  verdict: 'fail' as const,
  words: 'stopped: p95 +30 % against control',
  estimate: 0.3,
  bound: 0.15,
  evidence: 9,
  comparison: { lower: 0.2, upper: 0.4, eWorse: 41, eNotWorse: 0.1, eDecides: 40 },
  at: 2,
};

describe('rolloutStory', () => {
  it('tells a judgement before what follows from it, with its numbers, and who asked for what', () => {
    const history = [
      { at: 1, message: 'created: m@1.0.0 to all', by: 'ana' },
      { at: 2, message: 'wave 1: FAILED, stopped', by: null },
      { at: 3, message: 'ROLLING_BACK: undone by ben', by: 'ben' },
    ];
    const story = rolloutStory({ history, evaluations: [judgement] });
    expect(story.map(({ by, what }) => [by, what])).toEqual([
      ['ana', 'created: m@1.0.0 to all'],
      [
        null,
        'wave 1, gate latencyP95 versus control: stopped: p95 +30 % against control (p95 +30 % (+20 % … +40 %), margin 15 %, 9 pairs, evidence 41 of 40 that it is worse)',
      ],
      [null, 'wave 1: FAILED, stopped'],
      ['ben', 'ROLLING_BACK: undone by ben'],
    ]);
    expect(story[1]?.judgement).toBe(judgement);
  });
});
