import { parseDuration } from '@aviary/rollout';
import type { RoundSpec } from '../../api/generated/index.ts';
import { shellWord } from '../../components/shell-word.ts';

interface RoundField {
  /** As in the specification; `training.` is a part of it. */
  readonly path: string;
  readonly label: string;
  readonly description: string;
  /** What the control plane fills in. */
  readonly usual: string;
  readonly flag: string;
  readonly kind: 'number' | 'duration';
}

const field = (
  path: string,
  flag: string,
  usual: string,
  label: string,
  description: string,
  kind: RoundField['kind'] = 'number',
): RoundField => ({ path, flag, usual, label, description, kind });

/** Who takes part. */
export const PARTICIPATION = [
  field('goal', 'goal', '10', 'Goal', 'updates with which collecting ends'),
  field('minimum', 'minimum', '', 'Minimum', 'updates that a late round is worth; empty: half of the goal'),
  field('overSelection', 'over-selection', '1.3', 'Over-selection', 'devices asked, as a multiple of the goal'),
  field('evaluators', 'evaluators', '1', 'Evaluators', 'devices kept from training, to judge'),
  field('minSamples', 'min-samples', '50', 'Samples', 'labelled ones that a device must have'),
] as const;

/** How long each phase may take. */
export const PHASE_TIMES = [
  field('selectFor', 'select-for', '10m', 'Select for', 'until enough devices are eligible', 'duration'),
  field('collectFor', 'collect-for', '1h', 'Collect for', 'in which updates are taken', 'duration'),
  field('evaluateFor', 'evaluate-for', '30m', 'Evaluate for', 'in which evaluations are taken', 'duration'),
] as const;

/** How devices train, and what is made of it. */
export const TRAINING = [
  field('training.epochs', 'epochs', '5', 'Epochs', 'passes over a device’s samples'),
  field('training.batchSize', 'batch-size', '16', 'Batch size', 'samples in one step'),
  field('training.learningRate', 'learning-rate', '0.05', 'Learning rate', 'of stochastic gradient descent'),
  field('clipNorm', 'clip-norm', '', 'Clip norm', 'longest update; empty: the median of those that came'),
  field('margin', 'margin', '0', 'Margin', 'accuracy that the candidate may lose, 0 to 1'),
] as const;

const FIELDS: readonly RoundField[] = [...PARTICIPATION, ...PHASE_TIMES, ...TRAINING];

export interface RoundForm {
  readonly release: string;
  readonly target: string;
  /** By the path of its field. */
  readonly values: Readonly<Record<string, string>>;
}

export const newRoundForm = (release: string): RoundForm => ({
  release,
  target: 'all',
  values: Object.fromEntries(FIELDS.map(({ path, usual }) => [path, usual])),
});

/** What differs from what the control plane fills in. */
const changed = (form: RoundForm): (readonly [RoundField, string])[] =>
  FIELDS.flatMap((each) => {
    const text = form.values[each.path]?.trim() ?? '';
    return text === each.usual ? [] : [[each, text] as const];
  });

const read = ({ kind }: RoundField, text: string): unknown => {
  if (/^-?\d+(\.\d+)?$/.test(text)) return Number(text);
  return kind === 'duration' ? (parseDuration(text) ?? text) : text;
};

/** What the form asks for. What is no number goes as it is, and the control plane says what it expected there. */
export const roundSpecOf = (form: RoundForm): RoundSpec => {
  const spec: Record<string, unknown> = { release: form.release.trim(), target: form.target.trim() };
  const training: Record<string, unknown> = {};
  for (const [each, text] of changed(form)) {
    const key = each.path.replace(/^training\./, '');
    (key === each.path ? spec : training)[key] = read(each, text);
  }
  if (Object.keys(training).length > 0) spec.training = training;
  return spec as RoundSpec;
};

/** The command that asks for the same. */
export const createRoundEquivalent = (form: RoundForm): string =>
  [
    'aviary fed create',
    `--release ${shellWord(form.release.trim() || 'model@version')}`,
    `--target ${shellWord(form.target.trim())}`,
    ...changed(form).map(([{ flag, kind }, text]) => {
      const value = kind === 'duration' && /^\d+$/.test(text) ? `${text}s` : text;
      return `--${flag} ${shellWord(value)}`;
    }),
  ].join(' ');
