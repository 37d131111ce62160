import { comparisonOf, type Gate, gateName, gateSchema } from './gate-spec.ts';
import type { FleetShare } from './scalars.ts';
import type { SpecProblem } from './spec-problem.ts';
import { type StrategySpec, strategySchema } from './strategy-spec.ts';

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

const part = (value: unknown, name: string): unknown =>
  typeof value === 'object' && value !== null ? (value as Readonly<Record<string, unknown>>)[name] : undefined;

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
  return [
    ...ofControl(data),
    ...[...gates].flatMap(([index, gate]) => ofGate(gate, `gates.${index}`, data)),
    ...problems,
  ];
};
