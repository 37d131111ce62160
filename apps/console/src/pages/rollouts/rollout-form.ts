import { type GateKind, gateName, gateWords } from './gate-kinds.ts';
import {
  COMPARE_OVER,
  FORCE_AFTER,
  isUsual,
  type Mode,
  type Newcomers,
  type OnUncertain,
  PRIORITY,
  RATE,
  REQUIRES,
  RETRIES,
  type Setting,
  type SettingTexts,
  SHADOW,
  textOf,
  usualTexts,
  WINDOW,
} from './rollout-settings.ts';

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
  readonly onUncertain: OnUncertain;
  /** Whether somebody else has to approve it before it begins. */
  readonly needsApproval: boolean;
  readonly inShadow: boolean;
  readonly mode: Mode;
  readonly newcomers: Newcomers;
  readonly settings: SettingTexts;
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
  onUncertain: 'wait',
  needsApproval: false,
  inShadow: false,
  mode: 'forced',
  newcomers: 'join',
  settings: usualTexts(),
});

/** A number where a number was typed; anything else goes as it is, and the control plane says what it expected. */
const typed = (text: string): string | number => {
  const trimmed = text.trim();
  return /^-?\d+(\.\d+)?$/.test(trimmed) ? Number(trimmed) : trimmed;
};

const sameTexts = (a: Readonly<Record<string, string>>, b: Readonly<Record<string, string>>): boolean =>
  Object.keys(a).every((key) => a[key]?.trim() === b[key]?.trim());

/** By its own name, each of these that is not as usual. */
const changedOf = (settings: SettingTexts, group: readonly Setting[]): Record<string, unknown> =>
  Object.fromEntries(
    group
      .filter((setting) => !isUsual(settings, setting))
      .map((setting) => [setting.path.slice(setting.path.lastIndexOf('.') + 1), typed(textOf(settings, setting))]),
  );

/** A part of the specification that is there when something in it is not as usual. */
const partOf = (name: string, settings: SettingTexts, group: readonly Setting[]): Record<string, unknown> => {
  const changed = changedOf(settings, group);
  return Object.keys(changed).length === 0 ? {} : { [name]: changed };
};

const strategyOf = ({ settings, ...form }: RolloutForm): Record<string, unknown> => {
  const probation = Object.fromEntries(PROBATION_FIELDS.map((field) => [field, typed(form.probation[field])]));
  const isCompared = form.control.trim() !== '';
  return {
    ...(isCompared ? { control: typed(form.control), ...changedOf(settings, [COMPARE_OVER]) } : {}),
    waves: form.waves.map(({ size, minimum, soak }) => ({
      size: typed(size),
      ...(minimum.trim() === '' ? {} : { minimum: typed(minimum) }),
      soak: typed(soak),
    })),
    ...partOf('rate', settings, RATE),
    ...(form.deadline.trim() === DEFAULT_DEADLINE ? {} : { deadline: typed(form.deadline) }),
    ...changedOf(settings, [RETRIES]),
    ...partOf('window', settings, WINDOW),
    ...(form.mode === 'forced' ? {} : { mode: form.mode }),
    // Asked for beside that mode only; what was typed before stays for a person who comes back to it.
    ...(form.mode === 'soft' ? changedOf(settings, [FORCE_AFTER]) : {}),
    ...(form.inShadow ? { shadow: changedOf(settings, SHADOW) } : {}),
    ...(sameTexts(form.probation, DEFAULT_PROBATION) ? {} : { probation }),
  };
};

/** What the form asks for, as in rollout.yaml; what is left as the control plane would have it is left out. */
export const specOf = (form: RolloutForm): Record<string, unknown> => ({
  release: form.release.trim(),
  target: form.target.trim(),
  ...changedOf(form.settings, [REQUIRES, PRIORITY]),
  ...(form.newcomers === 'join' ? {} : { newcomers: form.newcomers }),
  strategy: strategyOf(form),
  gates: form.gates.map(({ kind, values }) => ({
    [gateName(kind)]: {
      ...gateWords(kind).always,
      ...Object.fromEntries(Object.entries(values).map(([key, text]) => [key, typed(text)])),
    },
  })),
  onFailure: form.onFailure,
  ...(form.onUncertain === 'wait' ? {} : { onUncertain: form.onUncertain }),
  ...(form.needsApproval ? { approval: 'required' } : {}),
});
