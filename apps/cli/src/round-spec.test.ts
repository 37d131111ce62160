import { describe, expect, it } from 'vitest';
import { UsageError } from './command-line/usage-error.ts';
import { roundSpecOf } from './round-spec.ts';

describe('roundSpecOf', () => {
  it('takes durations as seconds or as words', () => {
    const spec = roundSpecOf({ release: 'meter-reader@1.1.0', selectFor: '90s', collectFor: '10m', evaluateFor: 30 });
    expect(spec).toMatchObject({ selectFor: 90, collectFor: 600, evaluateFor: 30 });
  });

  it('names every place that is wrong', () => {
    const refused = () => roundSpecOf({ release: 'a@1.0.0', goal: 0, collectFor: 'soon', training: { epoch: 3 } });
    expect(refused).toThrow(UsageError);
    expect(refused).toThrow(/goal: .*\n {2}collectFor: .*\n {2}training: .*epoch/);
  });
});
