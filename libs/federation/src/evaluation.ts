/** How a head answered labelled samples. */
export interface Answers {
  /** Samples that it answered with their label. */
  readonly correct: number;
  /** Mean cross entropy of a sample. */
  readonly loss: number;
}

/** What one device that did not train says of the base and of the candidate, over its own labelled samples. */
export interface EvaluationReport {
  readonly samples: number;
  readonly base: Answers;
  readonly candidate: Answers;
}

/** The reports of all of them together; losses are means over all samples. */
export interface Evaluation extends EvaluationReport {
  readonly devices: number;
  /** The judgement as a sentence, with its numbers. */
  readonly words: string;
}

export interface Judgement {
  readonly passed: boolean;
  readonly evaluation: Evaluation;
}

/** What a report says against itself, in words; undefined when it can be used. */
export const reportProblem = ({ samples, base, candidate }: EvaluationReport): string | undefined => {
  if (!Number.isSafeInteger(samples) || samples < 1) return `Expected at least one labelled sample, got ${samples}.`;
  for (const [name, { correct, loss }] of [
    ['base', base],
    ['candidate', candidate],
  ] as const) {
    if (!Number.isSafeInteger(correct) || correct < 0 || correct > samples) {
      return `Expected 0 to ${samples} right answers of the ${name}, got ${correct}.`;
    }
    if (!Number.isFinite(loss) || loss < 0) return `Expected a loss of 0 or more of the ${name}, got ${loss}.`;
  }
  return undefined;
};

const pooled = (reports: readonly EvaluationReport[], which: 'base' | 'candidate'): Answers => {
  const samples = reports.reduce((total, report) => total + report.samples, 0);
  return {
    correct: reports.reduce((total, report) => total + report[which].correct, 0),
    loss: reports.reduce((total, report) => total + (report.samples / samples) * report[which].loss, 0),
  };
};

const counted = (count: number, one: string): string => `${count} ${one}${count === 1 ? '' : 's'}`;
const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;

/**
 * Whether the candidate may go on: over all samples of all reports it may answer at most `margin` (a share) fewer right
 * than the base. Reports that contradict themselves are left out; without any other the candidate does not pass.
 */
export const judgeEvaluation = (reports: readonly EvaluationReport[], margin: number): Judgement => {
  const usable = reports.filter((report) => reportProblem(report) === undefined);
  const leftOut = reports.length - usable.length;
  const note = leftOut === 0 ? '' : ` (left out: ${counted(leftOut, 'report')} that cannot be true)`;
  const samples = usable.reduce((total, report) => total + report.samples, 0);
  if (samples === 0) {
    const nothing = { correct: 0, loss: 0 };
    const words = `no device has evaluated the candidate${note}`;
    return { passed: false, evaluation: { devices: 0, samples, base: nothing, candidate: nothing, words } };
  }
  const base = pooled(usable, 'base');
  const candidate = pooled(usable, 'candidate');
  const lost = base.correct - candidate.correct;
  // Shares of whole numbers; the margin's own rounding must not decide.
  const passed = lost <= margin * samples + 1e-9;
  const points = `${((100 * Math.abs(lost)) / samples).toFixed(1)} points`;
  const change = lost > 0 ? `${points} worse` : lost < 0 ? `${points} better` : 'as good';
  const limit = passed ? '' : `, more than the ${(100 * margin).toFixed(1)} points that it may lose`;
  const words =
    `on ${counted(samples, 'labelled sample')} of ${counted(usable.length, 'device')} that did not train${note}, ` +
    `the candidate is right in ${percent(candidate.correct / samples)} and the base in ${percent(base.correct / samples)}: ` +
    `${change}${limit}; mean loss ${candidate.loss.toFixed(3)} against ${base.loss.toFixed(3)}`;
  return { passed, evaluation: { devices: usable.length, samples, base, candidate, words } };
};
