import { describe, expect, it } from 'vitest';
import { type EvaluationReport, judgeEvaluation, reportProblem } from './evaluation.ts';

const report = (samples: number, base: number, candidate: number, losses = [0.5, 0.25]): EvaluationReport => ({
  samples,
  base: { correct: base, loss: losses[0] ?? 0 },
  candidate: { correct: candidate, loss: losses[1] ?? 0 },
});

describe('judgeEvaluation', () => {
  it('pools answers over all samples, and says what it saw', () => {
    const { passed, evaluation } = judgeEvaluation(
      [report(100, 70, 90, [1, 0.5]), report(300, 240, 240, [0.2, 0.1])],
      0,
    );
    expect(passed).toBe(true);
    expect(evaluation).toMatchObject({ devices: 2, samples: 400, base: { correct: 310 }, candidate: { correct: 330 } });
    expect(evaluation.base.loss).toBeCloseTo(0.4, 12);
    expect(evaluation.candidate.loss).toBeCloseTo(0.2, 12);
    expect(evaluation.words).toBe(
      'on 400 labelled samples of 2 devices that did not train, the candidate is right in 82.5 % and the base in 77.5 %: ' +
        '5.0 points better; mean loss 0.200 against 0.400',
    );
  });

  it.each([
    [0, 80, 80, true, /: as good;/],
    [0, 80, 79, false, /1\.0 points worse, more than the 0\.0 points that it may lose;/],
    [0.01, 80, 79, true, /1\.0 points worse;/],
    [0.01, 80, 78, false, /2\.0 points worse, more than the 1\.0 points/],
    [0.29, 80, 51, true, /29\.0 points worse;/],
    [1, 100, 0, true, /100\.0 points worse;/],
  ])('with a margin of %d lets %d to %d of 100 pass: %s', (margin, base, candidate, passed, words) => {
    const judged = judgeEvaluation([report(100, base, candidate)], margin);
    expect(judged.passed).toBe(passed);
    expect(judged.evaluation.words).toMatch(words);
  });

  it('leaves out reports that contradict themselves, and says so', () => {
    const judged = judgeEvaluation([report(10, 5, 6), report(10, 5, 1000)], 0);
    expect(judged.evaluation).toMatchObject({ devices: 1, samples: 10, candidate: { correct: 6 } });
    expect(judged.evaluation.words).toContain('(left out: 1 report that cannot be true)');
  });

  it.each([[[]], [[report(0, 0, 0)]]])('does not pass what nobody has measured: %j', (reports) => {
    const judged = judgeEvaluation(reports, 1);
    expect(judged).toMatchObject({ passed: false, evaluation: { devices: 0, samples: 0 } });
    expect(judged.evaluation.words).toContain('no device has evaluated the candidate');
  });
});

describe('reportProblem', () => {
  it('finds nothing in a report of everything and of nothing right', () => {
    expect(reportProblem(report(10, 10, 0))).toBeUndefined();
  });

  it.each([
    [report(0, 0, 0), /at least one labelled sample, got 0/],
    [report(10, 11, 5), /0 to 10 right answers of the base, got 11/],
    [report(10, 5, 11), /of the candidate, got 11/],
    [report(10, 5, -1), /got -1/],
    [report(10, 2.5, 1), /got 2.5/],
    [report(10, 5, 5, [Number.NaN, 1]), /loss of 0 or more of the base, got NaN/],
    [report(10, 5, 5, [1, -1]), /of the candidate, got -1/],
  ])('names what %j says against itself', (one, words) => {
    expect(reportProblem(one)).toMatch(words);
  });
});
