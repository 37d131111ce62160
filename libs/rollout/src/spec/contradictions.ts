import { formatDuration } from './duration.ts';
import { comparisonOf, type Gate, gateName, gateSchema } from './gate-spec.ts';
import type { FleetShare } from './scalars.ts';
import type { SpecProblem } from './spec-problem.ts';
import { type StrategySpec, strategySchema } from './strategy-spec.ts';

const part = (value: unknown, name: string): unknown =>
  typeof value === 'object' && value !== null ? (value as Readonly<Record<string, unknown>>)[name] : undefined;

const percentOf = (size: FleetShare | undefined): number | undefined =>
  size !== undefined && 'percent' in size ? size.percent : undefined;

/** The control group is there until the last wave: nobody before it may need its devices. */
const ofControl = ({ control, waves }: StrategySpec): SpecProblem[] => {
  const held = percentOf(control);
  const taken = percentOf(waves.at(-2)?.size);
  if (held === undefined || taken === undefined || held + taken <= 100) return [];
  const most = 100 - taken;
  const why = `wave ${waves.length - 1} takes ${taken}%, and the control group is held back until the last one`;
  return [{ path: 'strategy.control', message: `expected at most ${most}%, got ${held}%: ${why}` }];
};

const ofGate = (gate: Gate, path: string, { control, waves }: StrategySpec): SpecProblem[] => {
  if (comparisonOf(gate) === undefined) return [];
  const place = `${path}.${Object.keys(gate)[0]}.versus`;
  if (control === undefined) {
    return [{ path: place, message: 'expected a control group to compare with: set strategy.control, e.g. 10%' }];
  }
  return waves.length > 1
    ? []
    : [{ path: place, message: 'expected at least two waves: the last one takes the control group' }];
};

/** What is about consent belongs to the one mode that asks for it, and has to come before the deadline does. */
const ofMode = ({ mode, forceAfter, deadline }: StrategySpec): SpecProblem[] => {
  if (forceAfter === undefined) return [];
  const path = 'strategy.forceAfter';
  if (mode !== 'soft') return [{ path, message: `expected mode: soft beside it; ${mode} waits for no consent` }];
  if (forceAfter < deadline) return [];
  const most = formatDuration(deadline);
  return [{ path, message: `expected less than the deadline, ${most}, got ${formatDuration(forceAfter)}` }];
};

/** A device must come to an end of it before it counts as silent. */
const ofShadow = ({ shadow, deadline }: StrategySpec): SpecProblem[] => {
  if (shadow === undefined || shadow.seconds < deadline) return [];
  const most = formatDuration(deadline);
  const message = `expected less than the deadline, ${most}, got ${formatDuration(shadow.seconds)}`;
  return [{ path: 'strategy.shadow.seconds', message }];
};

/** Gates that judge by how a release serves. */
const SERVING_GATES = ['lowConfidenceRate', 'latencyP95', 'drift', 'acceleratorFallback'];

/** What is only fetched serves nobody: there is nothing to watch, to measure or to compare. */
const ofDownloadOnly = (written: unknown, gates: ReadonlyMap<number, Gate>): SpecProblem[] => {
  const why = 'with mode: download-only nothing serves the release';
  const served = ['probation', 'shadow'].flatMap((name) =>
    part(written, name) === undefined ? [] : [`strategy.${name}`],
  );
  const measured = [...gates].flatMap(([index, gate]) => {
    const [name = ''] = Object.keys(gate);
    return SERVING_GATES.includes(name) ? [`gates.${index}.${name}`] : [];
  });
  return [
    ...served.map((path) => ({ path, message: `expected none: ${why}` })),
    ...measured.map((path) => ({ path, message: `expected execution or success: ${why}` })),
  ];
};

/** A gate twice would have two results under one name. */
const ofNames = (gates: ReadonlyMap<number, Gate>): SpecProblem[] => {
  const first = new Map<string, number>();
  return [...gates].flatMap(([index, gate]) => {
    const name = gateName(gate);
    const before = first.get(name);
    if (before === undefined) first.set(name, index);
    return before === undefined
      ? []
      : [{ path: `gates.${index}`, message: `expected every gate once: ${name} is gates.${before} already` }];
  });
};

/**
 * What is right by itself and does not go together. Parts that cannot be read are left out here, so that a person hears of
 * both at once.
 * @param value the specification as it came
 */
export const contradictionsIn = (value: unknown): SpecProblem[] => {
  const strategy = strategySchema.safeParse(part(value, 'strategy') ?? {});
  const written = part(value, 'gates');
  const gates = new Map<number, Gate>();
  (Array.isArray(written) ? written : []).forEach((gate, index) => {
    const read = gateSchema.safeParse(gate);
    if (read.success) gates.set(index, read.data);
  });
  const problems = ofNames(gates);
  if (!strategy.success) return problems;
  const { data } = strategy;
  const ofServing =
    data.mode === 'download-only'
      ? ofDownloadOnly(part(value, 'strategy'), gates)
      : [...gates].flatMap(([index, gate]) => ofGate(gate, `gates.${index}`, data));
  return [...ofControl(data), ...ofMode(data), ...ofShadow(data), ...ofServing, ...problems];
};
