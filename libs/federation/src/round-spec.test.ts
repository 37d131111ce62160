import { describe, expect, it } from 'vitest';
import { roundSpecSchema } from './round-spec.ts';

describe('a round as a person asks for it', () => {
  it('needs a release only', () => {
    expect(roundSpecSchema.parse({ release: 'meter-reader@1.1.0' })).toEqual({
      release: 'meter-reader@1.1.0',
      target: 'all',
      goal: 10,
      overSelection: 1.3,
      evaluators: 1,
      minSamples: 50,
      selectFor: 600,
      collectFor: 3600,
      evaluateFor: 1800,
      clipNorm: null,
      margin: 0,
      training: { epochs: 5, batchSize: 16, learningRate: 0.05, seed: 1 },
    });
  });

  it.each([
    [{ goal: 4, minimum: 5 }, 'minimum', /at most the goal/],
    [{ goal: 0 }, 'goal', />=1/],
    [{ overSelection: 0.9 }, 'overSelection', />=1/],
    [{ evaluators: 0 }, 'evaluators', />=1/],
    [{ collectFor: 0 }, 'collectFor', />=1/],
    [{ clipNorm: 0 }, 'clipNorm', />0/],
    [{ margin: 2 }, 'margin', /<=1/],
    [{ training: { learningRate: 0 } }, 'training.learningRate', />0/],
    [{ golas: 3 }, '', /golas/],
  ])('refuses %j at its place', (change, path, words) => {
    const { error } = roundSpecSchema.safeParse({ release: 'meter-reader@1.1.0', ...change });
    expect(error?.issues.map((issue) => issue.path.join('.'))).toEqual([path]);
    expect(error?.issues[0]?.message).toMatch(words);
  });

  it('takes a minimum that is the goal', () => {
    expect(roundSpecSchema.parse({ release: 'a@1.0.0', goal: 4, minimum: 4 }).minimum).toBe(4);
  });
});
