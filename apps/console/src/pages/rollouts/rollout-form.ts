import { type GateKind, gateName, gateWords } from './gate-kinds.ts';

/** A wave as it stands in the form; texts, because what a person has typed so far need not be a number. */
export interface WaveRow {
  /** Only for React. */
  readonly key: string;
  /** A count, or a percentage such as `10%`; cumulative. */
  readonly size: string;
  /** Empty: none. */
  readonly minimum: string;
  readonly soak: string;
}

export interface GateRow {
  readonly key: string;
  readonly kind: GateKind;
  readonly values: Readonly<Record<string, string>>;
}

export const ON_FAILURE = ['rollback-all', 'rollback-wave', 'pause'] as const;
export type OnFailure = (typeof ON_FAILURE)[number];

export const PROBATION_FIELDS = [
  'seconds',
  'minFrames',
  'maxErrorRate',
  'maxLowConfidenceRate',
  'maxP95Ratio',
] as const;
export type ProbationField = (typeof PROBATION_FIELDS)[number];

export interface RolloutForm {
  readonly release: string;
  readonly target: string;
  readonly waves: readonly WaveRow[];
  /** Devices held back until the last wave: a count or a percentage; empty: none. */
  readonly control: string;
  readonly deadline: string;
  readonly probation: Readonly<Record<ProbationField, string>>;
  readonly gates: readonly GateRow[];
  readonly onFailure: OnFailure;
}

let keys = 0;
const nextKey = (): string => {
  keys += 1;
  return String(keys);
};

export const newWave = (size: string, soak: string): WaveRow => ({ key: nextKey(), size, minimum: '', soak });

export const newGate = (kind: GateKind): GateRow => ({
  key: nextKey(),
  kind,
  values: Object.fromEntries(gateWords(kind).fields.map(({ key, initial }) => [key, initial])),
});

const DEFAULT_PROBATION: RolloutForm['probation'] = {
  seconds: '60s',
  minFrames: '100',
  maxErrorRate: '2%',
  maxLowConfidenceRate: '30%',
  maxP95Ratio: '2',
};
const DEFAULT_DEADLINE = '6h';

/** Begins with what the control plane would fill in. */
export const newRolloutForm = (release: string): RolloutForm => ({
  release,
  target: 'all',
  waves: [newWave('10%', '30m'), newWave('50%', '30m'), newWave('100%', '30m')],
  control: '',
  deadline: DEFAULT_DEADLINE,
  probation: DEFAULT_PROBATION,
  gates: [newGate('execution')],
  onFailure: 'rollback-all',
});

/** A number where a number was typed; anything else goes as it is, and the control plane says what it expected. */
const typed = (text: string): string | number => {
  const trimmed = text.trim();
  return /^-?\d+(\.\d+)?$/.test(trimmed) ? Number(trimmed) : trimmed;
};

const sameTexts = (a: Readonly<Record<string, string>>, b: Readonly<Record<string, string>>): boolean =>
  Object.keys(a).every((key) => a[key]?.trim() === b[key]?.trim());

/** What the form asks for, as in rollout.yaml; what is left as the control plane would have it is left out. */
export const specOf = (form: RolloutForm): Record<string, unknown> => {
  const waves = form.waves.map(({ size, minimum, soak }) => ({
    size: typed(size),
    ...(minimum.trim() === '' ? {} : { minimum: typed(minimum) }),
    soak: typed(soak),
  }));
  const probation = Object.fromEntries(PROBATION_FIELDS.map((field) => [field, typed(form.probation[field])]));
  return {
    release: form.release.trim(),
    target: form.target.trim(),
    strategy: {
      ...(form.control.trim() === '' ? {} : { control: typed(form.control) }),
      waves,
      ...(form.deadline.trim() === DEFAULT_DEADLINE ? {} : { deadline: typed(form.deadline) }),
      ...(sameTexts(form.probation, DEFAULT_PROBATION) ? {} : { probation }),
    },
    gates: form.gates.map(({ kind, values }) => ({
      [gateName(kind)]: {
        ...gateWords(kind).always,
        ...Object.fromEntries(Object.entries(values).map(([key, text]) => [key, typed(text)])),
      },
    })),
    onFailure: form.onFailure,
  };
};
